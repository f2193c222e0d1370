/**
 * `soak-runs.ts COUNT NODE PROGRAM ARGUMENT...`: makes this number of backups, one after the other, in this process.
 */
import {saveMemory} from '../../source/lib/memory.js';
import {backupsInProcess} from '../../test/helpers/backups-in-process.js';

const [count, , , ...words] = process.argv.slice(2);
saveMemory();
await backupsInProcess(words, Number(count));
process.exit(); // the worker that encrypts is kept for the next
