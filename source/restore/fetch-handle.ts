/** The part of the engine's handle that fetches and decrypts dumps, and remembers what was asked for. */
import {join} from 'node:path';
import type {EventBus} from '../core/bus.js';
import {isTableOfContents} from '../core/directory-dump.js';
import type {EngineHandle, FetchRequest} from '../core/handle.js';
import type {Secrets} from '../core/secrets.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import {downloadBase, listPrefix} from '../repository/remote-keys.js';
import {parsePath} from '../retention/names.js';
import type {RunContext} from '../runs/context.js';
import type {Work, WorkStarter} from '../runs/work-runner.js';

export type FetchHandle = Pick<EngineHandle, 'defaultTarget' | 'conflicts' | 'fetch' | 'decrypt'> & {
	/** Fetches or decrypts again what a failed job was for. Returns undefined if the job was not one of these. */
	readonly again: (job: string, secrets: Secrets | undefined) => Promise<void> | undefined;
};

export function createFetchHandle(
	bus: EventBus,
	settings: RunContext['configuration']['settings'],
	runner: WorkStarter,
): FetchHandle {
	const backups = downloadBase(settings.backupDirectory);
	const prefix = listPrefix(settings.uploadPrefix);
	const downloadId = (key: string) => `download:${prefix}${key}`;
	const decryptId = (key: string) => `decrypt:${join(backups, key)}`;
	/** The request of each job. */
	const requests = new Map<string, FetchRequest>();
	const remember = (request: FetchRequest, idOf: (key: string) => string) => {
		for (const key of request.keys) requests.set(idOf(key), {...request, keys: [key]});
	};
	/** With another secret: everything of the same request that the first secret did not open. */
	const lockedLike = ({keys: [first], location, target, decrypt, verify}: FetchRequest): readonly string[] => {
		const others = [...requests].flatMap(([id, one]) => {
			const isSame =
				one.location === location && one.target === target && one.decrypt === decrypt && one.verify === verify;
			const {status, error} = bus.state().jobs.get(id) ?? {};
			return isSame && status === 'failed' && error?.code === 'WRONG_KEY' ? one.keys : [];
		});
		return [...new Set([...(first === undefined ? [] : [first]), ...others])];
	};

	/** The table of contents of a dump is missing as long as another member is: they are fetched together. */
	const withItsDump = ({keys, location, target}: FetchRequest): readonly string[] => {
		const [key = ''] = keys;
		const member = parsePath(key)?.member;
		if (member === undefined) return keys;
		const dump = key.slice(0, -member.length);
		const others = [...requests].flatMap(([id, one]) => {
			const [other = ''] = one.keys;
			const isOfDump = one.location === location && one.target === target && other.startsWith(dump);
			const {status} = bus.state().jobs.get(id) ?? {};
			const isMissing = isOfDump && (status === 'failed' || status === 'cancelled');
			return isMissing && (isTableOfContents(key) || isTableOfContents(other)) ? [other] : [];
		});
		return [...new Set([...keys, ...others])];
	};

	return {
		defaultTarget: () => backups,
		conflicts: async request => (await import('./fetch.js')).fetchConflicts(request, prefix),
		fetch(request) {
			remember(request, downloadId);
			return runner.startInBackground('download', fetchWork(request), request.secrets);
		},
		decrypt(request) {
			remember({...request, location: backupLocation, decrypt: true}, decryptId);
			return runner.startInBackground(
				'decrypt',
				async run => (await import('./fetch.js')).runLocalDecrypt(run, request),
				request.secrets,
			);
		},
		again(job, secrets) {
			const before = requests.get(job);
			if (!before) return undefined;
			const request = {...before, ...(secrets ? {secrets, keys: lockedLike(before)} : {keys: withItsDump(before)})};
			const isLocal = storeOf(request.location) === undefined;
			remember(request, isLocal ? decryptId : downloadId);
			return runner.startInBackground(isLocal ? 'decrypt' : 'download', fetchWork(request), request.secrets);
		},
	};
}

const fetchWork =
	(request: FetchRequest): Work =>
	async run =>
		(await import('./fetch.js')).runFetch(run, request);
