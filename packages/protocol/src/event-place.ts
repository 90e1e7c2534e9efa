/** Where an event stands among all, and how that is written down by those who want to go on behind it. */
import { invalid } from './check-values.ts';

export interface EventPlace {
  /** Of the command that did it; several events may share it, as in a transaction or a sweep. */
  readonly revision: number;
  /** Place among the events of its revision, from 0. */
  readonly order: number;
}

export function isBefore(left: EventPlace, right: EventPlace): boolean {
  return left.revision < right.revision || (left.revision === right.revision && left.order < right.order);
}

/** Right behind an event: there the next one stands, be it of the same revision or of a later one. */
export function placeAfter({ revision, order }: EventPlace): EventPlace {
  return { revision, order: order + 1 };
}

/** As text: `REVISION.ORDER`. */
export function formatPlace({ revision, order }: EventPlace): string {
  return `${revision}.${order}`;
}

/** @throws {RequestError} VALIDATION for what `formatPlace` cannot have written */
export function parsePlace(text: string): EventPlace {
  const [, revision, order] = /^([1-9]\d{0,15})\.(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  const place = { revision: Number(revision), order: Number(order) };
  if (Number.isSafeInteger(place.revision) && Number.isSafeInteger(place.order)) return place;
  throw invalid(
    `${JSON.stringify(String(text).slice(0, 40))} is no place among events`,
    'give the `next` of an event, as 12.0',
  );
}
