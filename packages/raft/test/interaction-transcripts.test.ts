import { newInteraction } from './interaction.ts';
import { describeTranscripts } from './testdata.ts';

describeTranscripts({
  folder: 'raft',
  newInterpreter: newInteraction,
  required: [
    'async_storage_writes.txt',
    'campaign.txt',
    'checkquorum.txt',
    'confchange_disable_validation.txt',
    'confchange_v1_add_single.txt',
    'confchange_v1_remove_leader.txt',
    'confchange_v2_add_double_auto.txt',
    'confchange_v2_add_single_auto.txt',
    'confchange_v2_add_single_explicit.txt',
    'confchange_v2_replace_leader.txt',
    'forget_leader.txt',
    'forget_leader_read_only_lease_based.txt',
    'heartbeat_resp_recovers_from_probing.txt',
    'lagging_commit.txt',
    'prevote.txt',
    'probe_and_replicate.txt',
    'single_node.txt',
    'slow_follower_after_compaction.txt',
    'snapshot_succeed_via_app_resp.txt',
  ],
});
