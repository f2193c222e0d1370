/**
 * `--check-age` for the fleet: checks that every database of every server has a good, recent backup according to the
 * reports.
 */
import {ageText, oldestOf, type ServerView} from '../core/fleet.js';
import {formatDuration, plural} from '../lib/format.js';
import {type AgeReport, shown} from '../repository/check-age.js';

/** Maximum characters of the output; what is omitted is counted. Monitoring systems truncate a line at 4 KiB. */
const longest = 2000;

/** `limit` is in milliseconds. */
export function checkFleetAge(views: readonly ServerView[], limit: number): AgeReport {
	if (views.length === 0) return {text: 'PG_BACK UNKNOWN - no server has reported', status: 3};
	const bad = views.map(view => problemsOf(view, limit / 1000)).filter(problems => problems.length > 0);
	const databases = views.flatMap(view => view.databases);
	const oldest = oldestOf(databases);
	const seconds = Math.round(limit / 1000);
	const age = oldest?.age === undefined ? '' : ` oldest=${oldest.age}s;;${seconds};0`;
	const data = ` | servers=${views.length} failed=${bad.length};;0;0${age} databases=${databases.length}`;
	const servers = plural(views.length, 'server');
	if (bad.length === 0) {
		const since = oldest?.age === undefined ? '' : `, oldest good backup ${formatDuration(oldest.age)}`;
		return {text: `PG_BACK OK - ${servers}, ${plural(databases.length, 'database')}${since}${data}`, status: 0};
	}
	return {text: `PG_BACK CRITICAL - ${bad.length} of ${servers}: ${cut(bad.flat())}${data}`, status: 2};
}

function problemsOf({server, lost, databases}: ServerView, limit: number): readonly string[] {
	return [
		...(lost === undefined ? [] : [`${shown(server)}: ${shown(lost)}`]),
		...(lost === undefined && databases.length === 0 ? [`${shown(server)}: no good backup`] : []),
		...databases.flatMap(({database, age}) => {
			if (age === undefined) return [`${shown(server)}/${shown(database)}: no good backup`];
			return age > limit ? [`${shown(server)}/${shown(database)} ${ageText(age)}`] : [];
		}),
	];
}

function cut(problems: readonly string[]): string {
	let text = '';
	for (const [index, problem] of problems.entries()) {
		const more = text === '' ? problem : `${text}, ${problem}`;
		if (more.length > longest && text !== '') return `${text} and ${problems.length - index} more`;
		text = more;
	}
	return text;
}
