/** What a dump of a newer server or client needs and an older target lacks: refused, or adapted, in the plan. */
import {display} from '../lib/display.js';
import {literalGlob} from '../lib/glob.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {newerFeatures} from '../postgres/newer-features.js';
import {type AdaptedSubscription, adaptSubscription} from '../postgres/subscription-options.js';
import type {Inventory} from '../postgres/target-inventory.js';
import {parseVersion} from '../postgres/versions.js';
import {skipOption} from './command-line.js';
import type {RestoreOptions} from './restore-options.js';
import type {Finding} from './restore-plan.js';
import type {RewrittenSubscription} from './rewritten-subscription.js';

type Target = Pick<Inventory, 'version' | 'versionText'>;

/** Returns the subscriptions among the entries that the server can create only in another form. */
export function rewrittenSubscriptions(
	entries: readonly ArchiveEntry[],
	{version}: Pick<Target, 'version'>,
): readonly RewrittenSubscription[] {
	return entries.flatMap(({kind, definition, dumpId, owner}) => {
		const adapted = kind === 'SUBSCRIPTION' ? adaptSubscription(definition, version) : undefined;
		if (!adapted || adapted.lacks.length > 0) return [];
		const {name, statement} = adapted;
		const about = entries.filter(
			entry => ['COMMENT', 'SECURITY LABEL'].includes(entry.kind) && entry.dependencies.includes(dumpId),
		);
		const ids = [dumpId, ...about.map(entry => entry.dumpId)];
		return [{name, statement, owner, ids, more: about.map(entry => entry.definition)}];
	});
}

/** The entries are those that will be restored. */
export function newerArchive(
	entries: readonly ArchiveEntry[],
	{toc, database}: {readonly toc: Pick<ArchiveToc, 'serverVersion'> | undefined; readonly database: string},
	{target, options}: {readonly target: Target; readonly options: RestoreOptions},
): readonly Finding[] {
	const found = new NewerStatements(target, toc?.serverVersion, options);
	for (const {kind, schema, tag, definition} of entries) {
		const name = schema === undefined ? tag : `${schema}.${tag}`;
		const of = `${kind.toLowerCase()} ${name}`;
		// Without its kind, the rows of a table are left out with it.
		found.take(of, definition, literalGlob(schema === undefined ? of : name));
	}
	return found.findings(database);
}

/** Collects what the target lacks, from the statements of a dump. */
export class NewerStatements {
	readonly #target: Target;
	readonly #dumped: number | undefined;
	readonly #privileges: boolean;
	/** The objects that need them, and the pattern for `--skip` of the first. */
	readonly #features = new Map<string, {since: number; names: string[]; skip: string | undefined}>();
	readonly #subscriptions: (AdaptedSubscription & {skip: string | undefined})[] = [];

	/** `dumped`: the version of the dumped server as it prints it; undefined if unknown. */
	constructor(target: Target, dumped: string | undefined, {privileges}: Pick<RestoreOptions, 'privileges'>) {
		this.#target = target;
		this.#dumped = dumped === undefined ? undefined : parseVersion(`x ${dumped}`);
		this.#privileges = privileges;
	}

	/** `skip`: the pattern for `--skip`; undefined for a plain dump. */
	take(name: string, text: string, skip?: string): void {
		const {version} = this.#target;
		const subscription = adaptSubscription(text, version);
		if (subscription) this.#subscriptions.push({...subscription, skip});
		if (!this.#privileges && /^\s*(?:grant|revoke|alter\s+default\s+privileges)\s/i.test(text)) return;
		for (const {what, since} of newerFeatures(text, version, this.#dumped)) {
			const known = this.#features.get(what) ?? {since, names: [], skip};
			this.#features.set(what, known);
			known.names.push(name);
		}
	}

	findings(database: string): readonly Finding[] {
		const {versionText} = this.#target;
		const stop = (text: string, since: string, skip: string | undefined): Finding => ({
			severity: 'stop',
			code: 'TARGET_LACKS',
			database,
			text,
			hint: `restore into ${since}${skip === undefined ? '' : `, or use ${skipOption([skip])}`}`,
		});
		return [
			...[...this.#features].map(([what, {since, names, skip}]) =>
				stop(
					`the target is PostgreSQL ${versionText}, without ${what}: ${listed(names)}`,
					`PostgreSQL ${since} or newer`,
					skip,
				),
			),
			...this.#subscriptions.map(({name, without, lacks, skip}): Finding => {
				if (lacks.length === 0)
					return {
						severity: 'note',
						database,
						text: `subscription ${display(name)} is created without ${without.join(', ')}: the target works in the same way`,
					};
				const text = `the target is PostgreSQL ${versionText}, without ${lacks.join(', ')} of subscription ${display(name)}`;
				return stop(text, 'a newer server', skip && literalGlob(`subscription ${name}`));
			}),
		];
	}
}

const mostListed = 3;

function listed(names: readonly string[]): string {
	const more = names.length - mostListed;
	return `${names.slice(0, mostListed).map(display).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
