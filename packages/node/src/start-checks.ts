/** What a start is told must fit what the data directory knows. */
import { RequestError } from '@holdfast/protocol';
import { engineModuleName, isBuiltIn, type NodeRecord, StorageError } from '@holdfast/storage';
import { type Host, peerIdOf } from '@holdfast/transport';
import type { NodeConfig } from './config.ts';

/** What was fixed when the node was made cannot be changed by a flag. */
export function refuseChanges({ backend, shards, dataDirectory }: NodeConfig, known: NodeRecord | undefined): void {
  if (known === undefined) return;
  if (backend !== undefined && backendName(backend) !== known.backend) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `${dataDirectory} keeps its state on backend ${known.backend}, not ${backend}`,
      hint: 'leave --backend out, or start a new node with another data directory',
    });
  }
  if (shards !== undefined && shards !== known.shards) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `the cluster was founded with ${known.shards} shards; this cannot be changed to ${shards}`,
      hint: 'leave --shards out',
    });
  }
}

/** As it is kept: a path must mean the same module at a start from another directory. */
export function backendName(backend: string): string {
  return isBuiltIn(backend) ? backend : engineModuleName(backend);
}

/** Where others reach this node. */
export function addressOf({ advertise }: NodeConfig, known: NodeRecord | undefined, host: Host): string {
  const address = advertise ?? known?.advertise ?? host.address ?? '';
  if (/^(0\.0\.0\.0|\[::\]):/.test(address)) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `the node listens on ${address}, which is no address that others can dial`,
      hint: 'say with --advertise HOST:PORT how they reach it',
    });
  }
  return address;
}

/** @throws {StorageError} `DIRECTORY_UNUSABLE` for bytes that are no key: what reads them does not know the file */
export function refuseNoKey(privateKey: Uint8Array, file: string): void {
  try {
    peerIdOf(privateKey);
  } catch (error) {
    const problem = `it is no private key (${privateKey.length} bytes)`;
    const hint = 'restore it from a copy, or move the directory aside and join again';
    throw new StorageError({ code: 'DIRECTORY_UNUSABLE', file, problem, hint }, { cause: error });
  }
}
