/** When each top-level field of a session's data was last changed. */
import { hashFields } from './hash.ts';
import type { FieldRevision, SessionRecord } from './types.ts';

/**
 * Fields whose last change is kept apart. Beyond it the oldest count as changed with the newest of those left out:
 * later than they were, so that no conflict is missed.
 */
const fieldsMax = 256;
const none: readonly FieldRevision[] = [];

type Fields = Pick<SessionRecord, 'fieldsRevision' | 'fields' | 'fieldsHash'>;

/** All fields changed at `revision`: the data was replaced. */
export function allChanged(revision: number): Fields {
  return { fieldsRevision: revision, fields: none, fieldsHash: 0 };
}

/** The revision of the last change of a field, of its removal too. */
export function revisionOfField({ fields, fieldsRevision }: Fields, field: string): number {
  return fields.find((known) => known.field === field)?.revision ?? fieldsRevision;
}

/** Some fields changed at `revision`. */
export function withChanged(before: Fields, changed: ReadonlyMap<string, unknown>, revision: number): Fields {
  const fields = before.fields.filter(({ field }) => !changed.has(field));
  for (const field of changed.keys()) fields.push({ field, revision });
  const dropped = fields.splice(0, Math.max(0, fields.length - fieldsMax));
  const fieldsRevision = dropped.at(-1)?.revision ?? before.fieldsRevision;
  return { fieldsRevision, fields, fieldsHash: hashFields(fields) };
}
