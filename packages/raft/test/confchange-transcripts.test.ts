import assert from 'node:assert/strict';
import { ConfChanger } from '../src/conf-changer.ts';
import { Tracker } from '../src/tracker.ts';
import { describeConfig, describeProgress, parseConfChanges } from './describe.ts';
import { describeTranscripts } from './testdata.ts';
import type { Interpreter } from './transcript-suite.ts';

describeTranscripts({
  folder: 'confchange',
  newInterpreter,
  required: [
    'joint_autoleave.txt',
    'joint_idempotency.txt',
    'joint_learners_next.txt',
    'joint_safety.txt',
    'simple_idempotency.txt',
    'simple_promote_demote.txt',
    'simple_safety.txt',
    'update.txt',
    'zero.txt',
  ],
});

/** Answers with the configuration and the members' progress after each change, or with why it is refused. */
function newInterpreter(): Interpreter {
  const tracker = new Tracker({ messagesMax: 10, bytesMax: Number.POSITIVE_INFINITY });
  // Grows with every command, so that `next` of a member tells which command added it.
  let lastIndex = 0;
  return ({ command, args, input }) => {
    const changer = new ConfChanger(tracker, lastIndex++);
    const changes = parseConfChanges(input);
    const autoLeave = args.some(({ key, values }) => key === 'autoleave' && values[0] === 'true');
    const change = () => {
      if (command === 'simple') return changer.simple(changes);
      if (command === 'enter-joint') return changer.enterJoint(autoLeave, changes);
      assert.equal(command, 'leave-joint');
      assert.equal(changes.length, 0, 'leave-joint takes no input');
      return changer.leaveJoint();
    };
    try {
      const { config, progress } = change();
      tracker.use(config, progress);
    } catch (error) {
      if (error instanceof assert.AssertionError || !(error instanceof Error)) throw error;
      return error.message;
    }
    return `${describeConfig(tracker.config)}\n${describeProgress(tracker.progress)}`;
  };
}
