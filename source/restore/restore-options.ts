/** The request for a restore, from the settings. */
import {availableParallelism} from 'node:os';
import {options} from '../config/options.js';
import {PgBackError} from '../core/errors.js';
import {objectPattern} from '../postgres/object-patterns.js';
import type {RunContext} from '../runs/context.js';
import {parseAsOf} from './as-of.js';

export type RestoreOptions = {
	readonly patterns: readonly string[];
	readonly run: string | undefined;
	/** Milliseconds since the epoch. */
	readonly asOf: number | undefined;
	readonly into: string | undefined;
	readonly replace: boolean;
	/** The names that were typed; undefined: not asked yet. */
	readonly confirmed: readonly string[] | undefined;
	readonly only:
		{readonly tables: readonly string[]; readonly schemas: readonly string[]; readonly dependents: boolean} | undefined;
	readonly data: boolean;
	readonly privileges: boolean;
	readonly owner: string | undefined;
	readonly roles: 'needed' | 'all' | 'none';
	readonly jobs: number;
	readonly stream: 'auto' | 'yes' | 'no';
	readonly directory: string;
	readonly compare: 'auto' | 'rows' | 'none';
	readonly analyze: boolean;
	readonly amcheck: boolean;
	readonly hook: readonly string[];
	readonly locale: string | undefined;
	readonly skip: readonly string[];
	readonly keep: boolean;
};

/** An empty value of these is a mistake, such as an unset variable in a script: the default would restore something else. */
const neverEmpty = ['run', 'asOf', 'into', 'owner', 'locale'] as const;

/** Throws USAGE for an empty value, and for a time or a pattern that cannot be read. */
export function restoreOptions(run: Pick<RunContext, 'configuration' | 'now'>): RestoreOptions {
	const {settings, arguments: patterns} = run.configuration;
	for (const name of neverEmpty) {
		if (settings[name] === '' && run.configuration.given(name))
			throw new PgBackError('USAGE', `--${options[name].long} is empty`, {hint: 'give it a value, or leave it out'});
	}
	const text = (value: string) => (value === '' ? undefined : value);
	const asOf = settings.asOf === '' ? undefined : parseAsOf(settings.asOf, run.now());
	if (asOf?.problem !== undefined) throw new PgBackError('USAGE', `--as-of: ${asOf.problem}`);
	for (const pattern of [...settings.only, ...settings.onlySchema]) objectPattern(pattern);
	return {
		patterns,
		run: text(settings.run),
		asOf: asOf?.value,
		into: text(settings.into),
		replace: settings.replace,
		confirmed: settings.confirm.length > 0 ? settings.confirm : undefined,
		only:
			settings.only.length > 0 || settings.onlySchema.length > 0
				? {tables: settings.only, schemas: settings.onlySchema, dependents: !settings.noDependents}
				: undefined,
		data: !settings.noData,
		privileges: !settings.noPrivileges,
		owner: text(settings.owner),
		roles: settings.roles,
		jobs: settings.restoreJobs > 0 ? settings.restoreJobs : Math.min(4, availableParallelism()),
		stream: settings.stream,
		directory: settings.restoreDirectory,
		compare: settings.compare,
		analyze: settings.analyze,
		amcheck: settings.amcheck,
		hook: settings.afterRestoreHook,
		locale: text(settings.locale),
		skip: settings.skip,
		keep: settings.keep,
	};
}
