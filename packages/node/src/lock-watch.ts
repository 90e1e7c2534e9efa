import type { Clock } from '@holdfast/replica';
import type { DataDirectory } from '@holdfast/storage';

/** For about as long two may use a directory whose lock was removed. */
const CHECK_MS = 1_000;

export interface LockWatch {
  /** Resolves, with why, when the directory is not this node's alone any more. */
  readonly lost: Promise<Error>;
  stop(): void;
}

/** Looks, until it is stopped, whether a directory that is in use has its lock still. */
export function watchLock(directory: DataDirectory, clock: Clock): LockWatch {
  let isStopped = false;
  let stopTimer = () => {};
  const lost = new Promise<Error>((resolve) => {
    const look = () =>
      directory.checkLock().then(lookLater, (error: Error) => {
        if (!isStopped) resolve(error);
      });
    const lookLater = () => {
      if (isStopped) return;
      const timer = clock.after(CHECK_MS, () => void look());
      stopTimer = () => timer.cancel();
    };
    lookLater();
  });
  return {
    lost,
    stop() {
      isStopped = true;
      stopTimer();
    },
  };
}
