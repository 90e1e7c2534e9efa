// Mocha's spec reporter, closed with the one line that says how the run ended.
import mocha from 'mocha';

/** What the tests left open has this long to close by itself. */
const CLOSE_WITHIN_MS = 10_000;

export default class ClosingLine extends mocha.reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const summary = `${passes} passed, ${failures} failed, ${pending} skipped`;
    console.log(summary);
    // A run that never ends tells nobody anything. Where nothing is left open, this timer keeps no process alive.
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout');
      console.error(`left open by the tests, and ended: ${open.join(', ') || 'timers'}`);
      console.log(summary);
      process.exit(failures === 0 ? 0 : 1);
    }, CLOSE_WITHIN_MS).unref();
  }
}
