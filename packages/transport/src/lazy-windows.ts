import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';

/** What a yamux stream has beside libp2p's interface: its receive window, and what of it is left to the far end. */
interface YamuxInternals {
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}
interface MuxerInternals {
  _newStream(...args: unknown[]): YamuxInternals;
}

/**
 * Lets yamux announce a new window only when half of the last one is used, as its specification has it. By itself it
 * answers every data frame with an announcement: as many packets back as there are requests.
 */
export function withLazyWindows<Muxer extends StreamMuxer>(
  create: () => StreamMuxerFactory<Muxer>,
): () => StreamMuxerFactory<Muxer> {
  return () => {
    const factory = create();
    return {
      protocol: factory.protocol,
      createStreamMuxer(connection: MessageStream): Muxer {
        const muxer = factory.createStreamMuxer(connection);
        const internals = muxer as unknown as MuxerInternals;
        const newStream = internals._newStream.bind(muxer);
        internals._newStream = (...args) => lazy(newStream(...args));
        return muxer;
      },
    };
  };
}

function lazy(stream: YamuxInternals): YamuxInternals {
  const update = stream.sendWindowUpdate.bind(stream);
  let announced = false;
  stream.sendWindowUpdate = () => {
    // The first announcement also opens or accepts the stream.
    if (announced && stream.recvWindowCapacity > stream.recvWindow / 2) return;
    announced = true;
    update();
  };
  return stream;
}
