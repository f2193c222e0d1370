/**
 * Groups files into runs, for lists. A manifest defines its run; without one (pg_back 2.x, or a killed run) the names
 * decide: files with the same time belong to one run, and so do neighbors in time at most an hour apart, as long as no
 * subject occurs twice. Without uniform timestamps 2.x gave every dump its own start time.
 */
import type {ParsedName} from './names.js';
import {manifestPaths, type RunRecord} from './purge-plan.js';

export type RunFiles = {
	/** The id of the run; without a manifest its first time in UTC, such as `2026-10-03T02:00:00Z`. */
	readonly run: string;
	/** Milliseconds since the epoch: of the manifest, or of the first file. */
	readonly time: number;
	/** Databases and special outputs, as in the names. */
	readonly subjects: readonly string[];
	readonly files: number;
	/** Bytes. */
	readonly bytes: number;
	readonly encrypted: boolean;
	/** The path or key of the manifest. */
	readonly manifest?: string;
};

/** Milliseconds; times further apart belong to two runs. */
export const runGap = 3_600_000;

/** The data of one second: small, because there may be a million. `run` is the first second of its run. */
type Moment = {
	files: number;
	bytes: number;
	encrypted: boolean;
	subjects: string | Set<string>;
	run: number;
};

/** Accepts a listing of any length; keeps a few numbers for each time that occurs, and no keys. */
export function createRunGrouper(records: readonly RunRecord[]) {
	const byPath = new Map<string, RunRecord>();
	for (const record of records)
		for (const path of [record.path, ...manifestPaths(record), ...record.files.map(file => file.path)])
			byPath.set(path, record);
	const recorded = new Map<RunRecord, Moment>();
	const moments = new Map<number, Moment>();
	const names = new Map<string, string>();

	function count(moment: Moment, parsed: ParsedName, size: number): void {
		moment.files++;
		moment.bytes += size;
		moment.encrypted ||= parsed.encrypted;
		if (parsed.subject.kind === 'run') return;
		const text = names.get(parsed.subjectText) ?? copyOf(parsed.subjectText);
		names.set(text, text);
		if (moment.subjects === '') moment.subjects = text;
		else if (typeof moment.subjects !== 'string') moment.subjects.add(text);
		else if (moment.subjects !== text) moment.subjects = new Set([moment.subjects, text]);
	}

	function recordOf(path: string, parsed: ParsedName): RunRecord | undefined {
		const found = byPath.get(path);
		if (found || parsed.member === undefined) return found;
		return byPath.get(path.slice(0, -parsed.member.length - 1));
	}

	return {
		/** `path` as in the listing and in the records. */
		add(path: string, parsed: ParsedName, size: number): void {
			const record = recordOf(path, parsed);
			const old = record ? recorded.get(record) : moments.get(secondOf(parsed));
			const moment = old ?? {files: 0, bytes: 0, encrypted: false, subjects: '', run: 0};
			if (!old) {
				if (record) recorded.set(record, moment);
				else moments.set(secondOf(parsed), moment);
			}
			count(moment, parsed, size);
		},

		/** Returns all runs, newest first. */
		runs(): RunFiles[] {
			const known = [...recorded].map(([record, moment]) => describe([moment], record.runId, record.time, record.path));
			const guessed = split(
				[...moments.keys()].sort((a, b) => a - b),
				time => subjectsOf(moments.get(time)),
			).map(times => {
				const [time = 0] = times;
				const members = times.flatMap(one => moments.get(one) ?? []);
				for (const member of members) member.run = time;
				return describe(members, idOf(time), time * 1000);
			});
			return [...known, ...guessed].sort((a, b) => b.time - a.time);
		},

		/** Returns the run of an added file; must be called after `runs`. */
		runOf(path: string, parsed: ParsedName): string {
			const record = recordOf(path, parsed);
			if (record) return record.runId;
			const second = secondOf(parsed);
			return idOf(moments.get(second)?.run ?? second);
		},
	};
}

function secondOf(parsed: ParsedName): number {
	return Math.floor(parsed.time / 1000);
}

function idOf(second: number): string {
	return new Date(second * 1000).toISOString().replace('.000Z', 'Z');
}

/** A slice of a page's text would keep the whole page in memory. */
function copyOf(text: string): string {
	return Buffer.from(text).toString();
}

function describe(moments: readonly Moment[], run: string, time: number, manifest?: string): RunFiles {
	return {
		run,
		time,
		subjects: [...new Set(moments.flatMap(moment => subjectsOf(moment)))].sort(),
		files: moments.reduce((sum, moment) => sum + moment.files, 0),
		bytes: moments.reduce((sum, moment) => sum + moment.bytes, 0),
		encrypted: moments.some(moment => moment.encrypted),
		manifest,
	};
}

function subjectsOf(moment: Moment | undefined): string[] {
	if (moment === undefined || moment.subjects === '') return [];
	return typeof moment.subjects === 'string' ? [moment.subjects] : [...moment.subjects];
}

/** Splits ascending times where the gap is too long or a subject would occur twice. */
function split(times: readonly number[], subjectsAt: (time: number) => string[]): number[][] {
	const runs: number[][] = [];
	let subjects = new Set<string>();
	let previous = -Infinity;
	for (const time of times) {
		const here = subjectsAt(time);
		const current = runs.at(-1);
		if (current === undefined || time - previous > runGap / 1000 || here.some(subject => subjects.has(subject))) {
			runs.push([time]);
			subjects = new Set(here);
		} else {
			current.push(time);
			for (const subject of here) subjects.add(subject);
		}
		previous = time;
	}
	return runs;
}
