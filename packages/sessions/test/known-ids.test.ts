import assert from 'node:assert/strict';
import { Driven, openMachine, store } from './harness.ts';

describe('ids that the engine may hold', () => {
  it('are learnt by the verification of a start, those that came meanwhile too', async () => {
    const { engine, machine: before, log } = await Driven.open();
    before.apply(log.add(1_000, [store('kept'), store('other')]));
    await before.flush();
    // Nothing stays in memory but the last record.
    const machine = await openMachine(engine, { verifies: true, cacheBytes: 0 });
    let lookUps = 0;
    const get = engine.get.bind(engine);
    engine.get = (key) => {
      lookUps += 1;
      return get(key);
    };
    assert.equal(machine.get('nobody'), undefined);
    assert.equal(lookUps, 1, 'nothing is known yet');
    machine.apply(log.add(1_001, [store('new')]));
    await machine.verify();
    await machine.flush();

    lookUps = 0;
    assert.equal(machine.get('nobody'), undefined);
    assert.equal(lookUps, 0);
    for (const id of ['kept', 'new', 'other']) assert.equal(machine.get(id)?.id, id);
  });

  it('are all known also when so many come while a start is verified that all are read anew', async () => {
    const { engine, machine: before, log } = await Driven.open();
    before.apply(log.add(1_000, []));
    await before.flush();
    const machine = await openMachine(engine, { verifies: true, cacheBytes: 0 });
    // There are no sessions to be learnt; in a cluster that was emptied there is much else to read.
    const verified = machine.verify();
    for (let first = 0; first < 70_000; first += 1_000) {
      const stores = Array.from({ length: 1_000 }, (_, i) => store(`s${first + i}`));
      machine.apply(log.add(1_001, stores));
    }
    await verified;
    await machine.flush();
    for (const id of ['s0', 's65000', 's69999']) assert.equal(machine.get(id)?.id, id);
  });
});
