const everything = [
  'packages/*/test/**/*.test.ts',
  'bench/test/**/*.test.ts',
  'e2e/test/**/*.test.ts',
  'examples/*/test/**/*.test.ts',
];

module.exports = {
  'node-option': ['import=tsx', 'conditions=@holdfast/source'],
  // Mocha runs what is named here besides the files on its command line, not instead of none.
  spec: process.argv.slice(2).some((word) => word.includes('.test.ts')) ? [] : everything,
  reporter: './scripts/reporter.mjs',
  timeout: 10_000,
};
