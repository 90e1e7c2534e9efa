import { newInteraction } from './interaction.ts';
import { describeTranscripts } from './testdata.ts';

describeTranscripts({
  folder: 'raft',
  newInterpreter: newInteraction,
});
