/** etcd over gRPC: puts and linearizable ranges. */
import { type ChannelCredentials, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type { Driver } from '../model.ts';

/** The part of etcd's KV and Maintenance services that is used here, by field number. */
const api = {
  nested: {
    etcdserverpb: {
      nested: {
        KV: {
          methods: {
            Put: { requestType: 'PutRequest', responseType: 'PutResponse' },
            Range: { requestType: 'RangeRequest', responseType: 'RangeResponse' },
          },
        },
        Maintenance: { methods: { Status: { requestType: 'StatusRequest', responseType: 'StatusResponse' } } },
        PutRequest: { fields: { key: { type: 'bytes', id: 1 }, value: { type: 'bytes', id: 2 } } },
        PutResponse: { fields: {} },
        RangeRequest: { fields: { key: { type: 'bytes', id: 1 } } },
        RangeResponse: { fields: { kvs: { rule: 'repeated', type: 'KeyValue', id: 2 } } },
        KeyValue: { fields: { key: { type: 'bytes', id: 1 }, value: { type: 'bytes', id: 5 } } },
        StatusRequest: { fields: {} },
        StatusResponse: { fields: { header: { type: 'Header', id: 1 }, leader: { type: 'uint64', id: 4 } } },
        Header: { fields: { memberId: { type: 'uint64', id: 2 } } },
      },
    },
  },
};

type Callback<T> = (error: ServiceError | null, reply: T) => void;
interface KeyValueService {
  put(request: { key: Buffer; value: Uint8Array }, callback: Callback<unknown>): void;
  range(request: { key: Buffer }, callback: Callback<{ kvs: { value: Uint8Array }[] }>): void;
  close(): void;
}
interface MaintenanceService {
  status(request: object, callback: Callback<{ header: { memberId: string }; leader: string }>): void;
  close(): void;
}
type Constructor<T> = new (address: string, channel: ChannelCredentials, options: object) => T;
interface Services {
  readonly KV: Constructor<KeyValueService>;
  readonly Maintenance: Constructor<MaintenanceService>;
}

function services(): Services {
  const loaded = loadPackageDefinition(
    fromJSON(api as unknown as Parameters<typeof fromJSON>[0], { longs: String }),
  ) as unknown as { etcdserverpb: Services };
  return loaded.etcdserverpb;
}

export async function connect(addresses: readonly string[]): Promise<Driver> {
  const { KV } = services();
  // Its own connection, even beside other drivers to the same address in this process.
  const client = new KV(addresses[0] ?? '', credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  return {
    store: (id, value) =>
      new Promise<void>((resolve, reject) => {
        client.put({ key: Buffer.from(id), value }, (error) => (error ? reject(error) : resolve()));
      }),
    get: (id) =>
      new Promise<Uint8Array>((resolve, reject) => {
        client.range({ key: Buffer.from(id) }, (error, reply) => {
          const found = reply?.kvs?.[0];
          if (error) reject(error);
          else if (found === undefined) reject(new Error(`etcd has no ${id}`));
          else resolve(found.value);
        });
      }),
    close: async () => client.close(),
  };
}

/** Whether the node at this address leads. @throws while it cannot tell */
export function isLeader(address: string): Promise<boolean> {
  const { Maintenance } = services();
  const client = new Maintenance(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  return new Promise<boolean>((resolve, reject) => {
    client.status({}, (error, reply) => (error ? reject(error) : resolve(reply.header.memberId === reply.leader)));
  }).finally(() => client.close());
}
