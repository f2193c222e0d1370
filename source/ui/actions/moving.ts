/** Moves the cursor or the view of the current screen. */
import type {Console} from '../console.js';
import {databaseCursor, databaseRows, fleetCursor} from '../fleet/rows.js';
import {detailHeight, detailLines} from '../layout/detail-screen.js';
import {rowsOf} from '../layout/files-screen.js';
import {shownServers} from '../layout/fleet-screen.js';
import {listJobs} from '../layout/job-list.js';
import {listHeight} from '../layout/list-screen.js';
import {planRegions} from '../layout/regions.js';
import {serverHeight, shownServer} from '../layout/server-screen.js';
import {type ListMove, moveCursor, windowTop} from '../layout/window.js';
import {moveLogs} from './log-cursor.js';

export function move(c: Console, step: ListMove): void {
	const moves = {
		jobs: moveJobs,
		detail: moveDetail,
		files: moveFiles,
		logs: moveLogs,
		fleet: moveFleet,
		server: moveServer,
	};
	moves[c.view().screen](c, step);
}

function moveJobs(c: Console, step: ListMove): void {
	const {jobs: view} = c.view();
	const jobs = listJobs(c.handle.state(), view);
	const height = planRegions(c.size().rows, 3).list;
	const before = Math.max(
		0,
		jobs.findIndex(job => job.id === view.selected),
	);
	const cursor = moveCursor(before, step, height, jobs.length);
	// One row less: the last row may show the number of hidden jobs.
	c.setJobs({
		selected: jobs[cursor]?.id,
		top: windowTop(windowTop(view.top, before, height - 1, jobs.length), cursor, height - 1, jobs.length),
	});
}

function moveDetail(c: Console, step: ListMove): void {
	const {detail} = c.view();
	const job = c.handle.state().jobs.get(detail.job);
	if (job === undefined) return;
	const {columns, rows} = c.size();
	const count = detailLines(job, {run: c.handle.state(), columns, glyphs: c.glyphs, now: c.now()}).length;
	c.set({detail: {...detail, top: scroll(detail.top, step, detailHeight(rows), count)}});
}

function moveFiles(c: Console, step: ListMove): void {
	const {files: view} = c.view();
	const rows = rowsOf({files: c.files, view: c.view()});
	const height = listHeight(c.size().rows);
	const before = rows.positionOf(view.cursor);
	const cursor = moveCursor(before, step, height, rows.count);
	c.setFiles({
		cursor: rows.at(cursor),
		top: windowTop(windowTop(view.top, before, height, rows.count), cursor, height, rows.count),
	});
}

function moveFleet(c: Console, step: ListMove): void {
	const {fleet: view} = c.view();
	const all = shownServers({fleet: c.fleet, view: c.view()});
	const height = listHeight(c.size().rows);
	const cursor = moveCursor(fleetCursor(all, view), step, height, all.length);
	c.setFleet({selected: all[cursor]?.server, top: windowTop(view.top, cursor, height, all.length)});
}

function moveServer(c: Console, step: ListMove): void {
	const {server: view} = c.view();
	const server = shownServer({fleet: c.fleet, view: c.view()});
	if (server === undefined) return;
	const all = databaseRows(server, view);
	const height = serverHeight(server, c.size().rows);
	const cursor = moveCursor(databaseCursor(all, view), step, height, all.length);
	c.setServer({selected: all[cursor]?.database, top: windowTop(view.top, cursor, height, all.length)});
}

/** Moves the first visible row; the last page stays full. */
function scroll(top: number, step: ListMove, height: number, count: number): number {
	return Math.max(0, Math.min(moveCursor(top, step, height, Math.max(1, count)), count - height));
}
