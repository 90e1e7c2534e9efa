import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type RequestOptions } from '@holdfast/client';
import type { Answers, Operation, Request } from '@holdfast/protocol';

/** A client whose lists have always one page more. */
export class EndlessClient extends Client {
  constructor() {
    super({ nodes: ['127.0.0.1:1'] });
  }

  override async execute<O extends Operation>(
    _request: Extract<Request, { type: O }>,
    { signal }: RequestOptions = {},
  ): Promise<Answers[O]> {
    if (signal?.aborted === true) throw signal.reason;
    await sleep(20);
    return { items: [], cursor: 'more' } as unknown as Answers[O];
  }
}
