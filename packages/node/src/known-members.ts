import type { DataDirectory, KnownMember, NodeRecord } from '@holdfast/storage';

/**
 * Keeps in `node.json` who the members are, as often as that changes: should this node's own data be lost, they are
 * whom it asks to be filled again.
 */
export class KnownMembers {
  readonly #directory: Pick<DataDirectory, 'writeNode'>;
  readonly #onError: (error: unknown) => void;
  #record: NodeRecord;
  #isDue = false;
  #writing: Promise<void> | undefined;

  constructor(directory: Pick<DataDirectory, 'writeNode'>, record: NodeRecord, onError: (error: unknown) => void) {
    this.#directory = directory;
    this.#record = record;
    this.#onError = onError;
  }

  /** @param configurationIndex log index at which they were so */
  note(members: readonly KnownMember[], configurationIndex: number): void {
    const { members: before } = this.#record;
    if (members.length === 0 || JSON.stringify(members.map(fields)) === JSON.stringify(before.map(fields))) return;
    this.#record = { ...this.#record, members: members.map(fields), configurationIndex };
    this.#isDue = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      await this.#directory.writeNode(this.#record).catch(this.#onError);
    }
  }
}

function fields({ nodeId, peerId, address, name }: KnownMember): KnownMember {
  return { nodeId, peerId, address, name };
}
