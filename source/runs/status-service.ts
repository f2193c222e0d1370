/** The service of a run on its status socket, from the first directory lock to the end of the run. */
import type {EventBus} from '../core/bus.js';
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import type {StatusRequest, StatusSocket} from './status-socket.js';

export type StatusControl = {
	readonly cancel: (job?: string) => void;
	/** Returns false when the job cannot be repeated. */
	readonly retry: (job: string) => boolean;
};

export type StatusService = {
	/** Opens the socket next to the lock of this directory, once; a failure causes a warning. */
	readonly serve: (directory: string) => Promise<void>;
	readonly close: () => Promise<void>;
};

export function createStatusService(options: {
	readonly bus: EventBus;
	readonly tag: string;
	readonly env: Environment;
	readonly control: StatusControl;
}): StatusService {
	const {bus, tag, env, control} = options;
	let opening: Promise<StatusSocket | undefined> | undefined;
	const warn = (text: string) => bus.emit({type: 'log', level: 'warn', text: display(text)});

	const onRequest = (request: StatusRequest): void => {
		const name = request.job === undefined ? undefined : bus.state().jobs.get(request.job)?.name;
		if (request.job !== undefined && name === undefined) return; // a job of another run of this process, or unknown
		if (request.type === 'cancel') {
			warn(`an attached console canceled ${name ?? 'the run'}`);
			control.cancel(request.job);
		} else if (control.retry(request.job)) warn(`an attached console retries ${name ?? ''}`);
		else warn(`an attached console asked to retry ${name ?? ''}, which cannot be run again`);
	};

	const open = async (directory: string): Promise<StatusSocket | undefined> => {
		try {
			const {openStatusSocket} = await import('./status-socket.js');
			return await openStatusSocket({directory, tag, env, bus, onRequest});
		} catch (error) {
			warn(`no status socket: --status and -i see only that this run is under way (${messageOf(error)})`);
			return undefined;
		}
	};

	return {
		async serve(directory) {
			await (opening ??= open(directory));
		},
		async close() {
			await (await opening)?.close();
		},
	};
}
