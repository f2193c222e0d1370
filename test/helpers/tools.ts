/** Where the tests find the commands and servers that the set-up (scripts/setup) provides. */
import {unavailable} from '../../scripts/setup/find.mjs';

export {findTool, postgresClients, postgresServers, root, serverPackage} from '../../scripts/setup/find.mjs';

/** Why something is not there, for the reason of a skipped test. */
export function whyMissing(group: 'postgres' | 'commands' | 'shells' | 'clients' | 'servers' | 'slurm'): string {
	return unavailable()[group]?.reason ?? 'not installed; `npm test` installs it';
}
