/** The part of the engine's handle that works on locations, of one server or of whichever server a location is of. */
import type {EngineHandle} from '../core/handle.js';
import type {RestoreHandle} from '../core/restore-handle.js';
import type {RunsHandle} from '../core/runs-handle.js';
import type {FetchHandle} from '../restore/fetch-handle.js';

type Calls =
	| 'list'
	| 'runs'
	| 'ages'
	| 'missingSecret'
	| 'checkSecrets'
	| 'commandFor'
	| 'verify'
	| 'restoreDrill'
	| 'planRestore'
	| 'restore'
	| 'lastGoodOf'
	| 'remove';

export type LocationHandle = Pick<EngineHandle, Calls> & FetchHandle & RestoreHandle & RunsHandle;

/** A location as the handle of its server knows it. */
export type Located = {readonly handle: LocationHandle; readonly location: string};

/** Returns a handle that passes each call with a location to the handle of that location's server, and others to `own`. */
export function directed(own: LocationHandle, find: (location: string) => Located): LocationHandle {
	/** For calls whose first argument is a location. */
	const at =
		<A extends readonly unknown[], T>(call: (handle: LocationHandle) => (location: string, ...rest: A) => T) =>
		(location: string, ...rest: A): T => {
			const found = find(location);
			return call(found.handle)(found.location, ...rest);
		};
	/** For calls whose first argument has a location. */
	const of =
		<R extends {readonly location: string}, A extends readonly unknown[], T>(
			call: (handle: LocationHandle) => (request: R, ...rest: A) => T,
		) =>
		(request: R, ...rest: A): T => {
			const found = find(request.location);
			return call(found.handle)({...request, location: found.location}, ...rest);
		};
	return {
		...own,
		list: at(handle => handle.list),
		runs: at(handle => handle.runs),
		ages: at(handle => handle.ages),
		lastGoodOf: at(handle => handle.lastGoodOf),
		remove: at(handle => handle.remove),
		verify: at(handle => handle.verify),
		restoreDrill: at(handle => handle.restoreDrill),
		contentsOf: at(handle => handle.contentsOf),
		runsOf: at(handle => handle.runsOf),
		compareRuns: at(handle => handle.compareRuns),
		findTable: at(handle => handle.findTable),
		pin: at(handle => handle.pin),
		unpin: at(handle => handle.unpin),
		conflicts: of(handle => handle.conflicts),
		fetch: of(handle => handle.fetch),
		planRestore: of(handle => handle.planRestore),
		restore: of(handle => handle.restore),
		restoreCommand: of(handle => handle.restoreCommand),
		async dumpsToRestore(location, keys, options) {
			const found = find(location);
			return {...(await found.handle.dumpsToRestore(found.location, keys, options)), location};
		},
		commandFor(request) {
			if (request.command === 'backup') return own.commandFor(request);
			const {handle, location} = find(request.location);
			return handle.commandFor({...request, location});
		},
		missingSecret(dumps, options) {
			if (dumps === undefined) return own.missingSecret(dumps, options);
			const {handle, location} = find(dumps.location);
			return handle.missingSecret({...dumps, location}, options);
		},
	};
}
