/** Entries of an archive that `--skip` excludes. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {compileGlob, literalGlob} from '../lib/glob.js';
import type {ArchiveEntry} from '../postgres/archive-toc.js';

type Named = Pick<ArchiveEntry, 'kind' | 'schema' | 'tag'>;

/** Returns the pattern for entries of exactly this name. */
export function skipPattern({kind, schema, tag}: Named): string {
	return literalGlob(`${kind.toLowerCase()} ${schema === undefined ? '' : `${schema}.`}${tag}`);
}

/**
 * Parses patterns: a name, `schema.name`, or a kind with a name: `orders`, `audit.*`, `extension postgis`. Throws
 * USAGE.
 */
export function skipsOf(patterns: readonly string[]): (entry: Named) => boolean {
	const globs = patterns.map(pattern => {
		const glob = compileGlob(pattern);
		if (glob) return {glob, pattern};
		throw new PgBackError('USAGE', `--skip: malformed pattern ${display(pattern)}`);
	});
	return ({kind, schema, tag}) => {
		const names = [
			tag,
			`${schema ?? ''}.${tag}`,
			`${kind.toLowerCase()} ${tag}`,
			`${kind.toLowerCase()} ${schema ?? ''}.${tag}`,
		];
		// Comments on an object are excluded with it: `COMMENT` has the tag `EXTENSION postgis`.
		const of = /^(EXTENSION|PUBLICATION|EVENT TRIGGER|FOREIGN DATA WRAPPER|CAST) (.*)$/s.exec(tag);
		if (of && ['COMMENT', 'ACL', 'SECURITY LABEL'].includes(kind))
			names.push(of[2] ?? '', `${of[1]?.toLowerCase() ?? ''} ${of[2] ?? ''}`);
		return globs.some(({glob, pattern}) => names.some(name => name === pattern || glob(name)));
	};
}
