/** `--servers` with `--shard`: makes one plan for all servers, and finds those that this process has a part of. */
import {type Configuration} from '../config/configuration.js';
import {chooseShard} from '../config/shard.js';
import {PgBackError, ProblemsError} from '../core/errors.js';
import {propose, serverNameOf} from '../fleet/shards/propose.js';
import {shardsOf, type SharedPlan} from '../fleet/shards/run-plan.js';
import {planStore} from '../fleet/shards/store-plan.js';
import {plural} from '../lib/format.js';
import {openRemote, type Remote} from '../repository/remote.js';
import type {RunContext, ServerContext, StoreContext} from '../runs/context.js';
import {emitTo, runOfServer, type ServersCommand} from './server-runs.js';

type Named = {readonly server: string; readonly run: StoreContext & ServerContext};

/**
 * Returns the servers for which this process dumps something; none with `--write-plan`. Throws CONFIG, USAGE and
 * STORAGE.
 */
export async function serversOfShard(options: ServersCommand): Promise<readonly string[]> {
	const {io, settings} = options;
	const {shard, runName, writePlan: writesPlan} = settings;
	const choice = chooseShard(shard, {runName, writesPlan, env: io.env});
	const {named, broken} = await runsOf(options);
	const [first] = named;
	// A server's name in the plan is in its file: an unreadable one is reported by the process of one shard.
	const reported = broken.filter((_, position) => position % choice.of === (choice.index ?? 0) - 1);
	if (first === undefined) return reported;
	requireOnePlace(named.map(({run}) => run.configuration));
	const remote = await openPlace(first.run);
	try {
		const store = planStore(first.run, remote, choice.runName);
		const proposal = {
			runName: choice.runName,
			shards: choice.of,
			remote,
			concurrency: settings.serverJobs,
			mayFail: true,
		};
		const make = () => propose({...proposal, runs: named.map(({run}) => run)});
		const plan =
			(await store.read()) ?? (writesPlan ? await store.write(await make()) : await store.agree(await make()));
		emitTo(io)({type: 'log', level: 'info', text: describe(plan)});
		if (writesPlan) return [];
		return [...named.filter(({run}) => hasPart(plan, run, choice.index ?? 0)).map(({server}) => server), ...reported];
	} finally {
		await remote.close();
	}
}

async function openPlace(run: StoreContext): Promise<Remote> {
	const [store] = run.configuration.settings.upload;
	if (store === undefined)
		throw new PgBackError('CONFIG', '--shard needs upload: the processes of a run meet at the remote location');
	return openRemote(run, store);
}

async function runsOf({io, commandLine, servers, signal}: ServersCommand): Promise<{
	readonly named: readonly Named[];
	readonly broken: readonly string[];
}> {
	const named: Named[] = [];
	const broken: string[] = [];
	for (const server of servers) {
		const run = await runOfServer({io, commandLine, server, signal, emit: emitTo(io)});
		if (run) named.push({server, run});
		else broken.push(server);
	}
	return {named, broken};
}

function requireOnePlace(configurations: readonly Configuration[]): void {
	const places = new Set(
		configurations.map(({settings: {upload, fleetPrefix}}) => `${upload.join(',')}:${fleetPrefix}`),
	);
	if (places.size > 1)
		throw new ProblemsError(
			'CONFIG',
			['--shard: the servers have several values of upload or fleet_prefix'],
			'set both in the general configuration file only',
		);
}

function hasPart(plan: SharedPlan, run: Pick<RunContext, 'configuration'>, index: number): boolean {
	const server = plan.servers.find(({name}) => name === serverNameOf(run));
	// A server that is not in the plan is reported by its own process.
	return server === undefined || shardsOf(server).includes(index);
}

function describe(plan: SharedPlan): string {
	const databases = plan.servers.reduce((sum, server) => sum + server.databases.length, 0);
	return `run ${plan.runName}: ${plural(databases, 'database')} of ${plural(plan.servers.length, 'server')} in ${plural(plan.shards, 'shard')}`;
}
