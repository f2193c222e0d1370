/** Finds settings of stores that a run would refuse, without a request. */
import type {SettingProblem} from '../config/checks.js';
import {type OptionName, options, type Settings} from '../config/options.js';
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import type {HttpClients} from '../lib/http/http.js';
import {anyStores} from '../storage/definitions.js';
import {openHttp} from '../storage/http.js';

type AnyStore = (typeof anyStores)[number];
/** Opens every configured store as a run does: none connects before its first operation. */
export async function storeProblems(settings: Settings, env: Environment): Promise<readonly SettingProblem[]> {
	const problems: SettingProblem[] = [];
	for (const store of anyStores) {
		// What is missing is reported for the stores that are used.
		if (!store.isConfigured(settings) || store.problems(settings, env).length > 0) continue;
		const error = await openingError(store, settings, env);
		if (error === undefined) continue;
		const text = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
		problems.push({
			option: optionIn(text, store),
			text: text.startsWith(`${store.name}: `) ? text : `${store.name}: ${text}`,
		});
	}
	return problems;
}

async function openingError(store: AnyStore, settings: Settings, env: Environment): Promise<PgBackError | undefined> {
	let clients: HttpClients | undefined;
	const context = {
		env,
		signal: new AbortController().signal,
		log: () => undefined, // a run logs it
		http: () => Promise.resolve((clients ??= openHttp({env, caFile: settings.caFile}))),
	};
	try {
		const storage = await store.open(settings, {env, fileMode: undefined}, context);
		await storage.close();
		return undefined;
	} catch (error) {
		if (error instanceof PgBackError) return error;
		throw error;
	} finally {
		clients?.close();
	}
}

/** Returns the option of the store that the text names; without one, the first of its options. */
function optionIn(text: string, store: AnyStore): OptionName {
	const names = Object.keys(store.options) as OptionName[];
	const named = names.find(name => new RegExp(String.raw`\b${options[name].key}\b`).test(text));
	return named ?? names[0] ?? 'upload';
}
