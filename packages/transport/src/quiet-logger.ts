import type { ComponentLogger, Logger } from '@libp2p/interface';

/** libp2p logs every frame it handles; even switched off, its own logger costs more than this. */
const quiet: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => quiet,
});

/** What libp2p has to say is told by errors and events; its log goes nowhere. */
export const quietLogger: ComponentLogger = { forComponent: () => quiet };
