/** Restores requested by the console: converts the request to the settings with the same names. */
import type {RestorePreview, RestoreRequest} from '../core/restore.js';
import {literalGlob} from '../lib/glob.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {planPreview} from './describe-plan.js';
import {planOf, runRestore} from './restore.js';

/** Plans without changing anything. Obstacles are in the findings. */
export async function previewRestore(run: RunContext, request: RestoreRequest): Promise<RestorePreview> {
	return planPreview(await planOf(withRequest(run, request, undefined), storeOf(request.location) ?? backupLocation));
}

/** Throws USAGE unless `confirmed` names exactly what will be replaced. */
export async function restoreAsked(
	run: RunContext,
	request: RestoreRequest,
	confirmed: readonly string[],
): Promise<RunResult> {
	return runRestore(withRequest(run, request, confirmed), storeOf(request.location) ?? backupLocation);
}

function withRequest<Context extends Pick<RunContext, 'configuration'>>(
	run: Context,
	request: RestoreRequest,
	confirmed: readonly string[] | undefined,
): Context {
	const {location: _, databases, server, secrets: __, ...options} = request;
	const {configuration} = run;
	const settings = {
		...configuration.settings,
		...server,
		...options,
		// A confirmation in the settings does not count as an answer of the console's user.
		confirm: confirmed ?? [],
		asOf: '',
	};
	return {...run, configuration: {...configuration, settings, arguments: databases.map(literalGlob)}};
}
