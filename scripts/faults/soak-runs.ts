/** `soak-runs.ts COUNT NODE PROGRAM ARGUMENT...`: as many backups, one after the other, in this process. */
import {keepHeapSmall} from '../../source/cli/memory.js';
import {backupsInProcess} from '../../test/helpers/backups-in-process.js';

const [count, , , ...words] = process.argv.slice(2);
keepHeapSmall();
await backupsInProcess(words, Number(count));
process.exit(); // the thread that encrypts is kept for the next
