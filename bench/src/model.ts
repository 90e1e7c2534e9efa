/** Words the parent, its client processes and the report share. */

/** `sealed` and `packed` are Holdfast with encryption at rest, and with every payload compressed. */
export const systemNames = ['holdfast', 'sealed', 'packed', 'etcd', 'redis', 'nats'] as const;
export const peerNames = ['etcd', 'redis', 'nats'] as const satisfies readonly SystemName[];
export type SystemName = (typeof systemNames)[number];

export const workloads = ['store', 'get', 'mix'] as const;
/** mix: nine gets to one store. */
export type Workload = (typeof workloads)[number];

/** pipelined: one client process, N operations in flight. separate: 64 clients in 4 processes, one operation each. */
export type Mode = 'pipelined' | 'separate';

export const separateClients = 64;
export const separateProcesses = 4;
export const valueSizeBytes = 512;

/** The client side of one system: what the closed loop calls. The same loop drives every system. */
export interface Driver {
  /** Resolves once the system acknowledged the write as durably as it was set up to. */
  store(id: string, value: Uint8Array): Promise<unknown>;
  /** Resolves with the value; rejects when there is none. */
  get(id: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Sent to a client process. */
export type Order =
  | { readonly type: 'connect'; readonly system: SystemName; readonly addresses: readonly (readonly string[])[] }
  | { readonly type: 'load'; readonly keys: number; readonly inFlight: number }
  | ({ readonly type: 'run' } & RunOrder)
  | { readonly type: 'close' };

export interface RunOrder {
  readonly workload: Workload;
  /** Of each client of the process. */
  readonly inFlight: number;
  readonly keys: number;
  readonly seed: number;
  /** Wall-clock ms: only operations that end in this window count. */
  readonly measureFromMs: number;
  readonly measureUntilMs: number;
}

/** What one client process measured. */
export interface RunReport {
  readonly operations: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** CPU time of the client process within the window. */
  readonly cpuUs: number;
  /** Bucket counts of the latency histogram. */
  readonly buckets: readonly number[];
}

export type Answer =
  | { readonly type: 'done'; readonly report?: RunReport }
  | { readonly type: 'failed'; readonly message: string };

/** One line of the result table. */
export interface Measurement {
  readonly system: SystemName;
  readonly mode: Mode;
  readonly workload: Workload;
  /** Operations in flight in all. */
  readonly inFlight: number;
  readonly seconds: number;
  readonly operationsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** CPU of all server processes, per operation. */
  readonly serverCpuUs: number;
  /** CPU of the client process or processes, per operation. */
  readonly clientCpuUs: number;
}
