/** A database from before synchronous reads. */
export default function make(): unknown {
  return { supports: { explicitSnapshots: true }, open: async () => {}, close: async () => {} };
}
