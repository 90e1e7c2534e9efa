/** A process that listens, greets on each channel and waits to be killed. Prints its address. */
import { createHost } from '../src/index.ts';

const host = await createHost({ listen: '127.0.0.1:0' });
host.handle('/holdfast/test/1', (channel) => {
  channel.onFrame = () => {};
  channel.send(Buffer.from('hello'));
});
console.log(host.address);
