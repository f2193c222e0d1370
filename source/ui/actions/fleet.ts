/** Browses the fleet: its servers, the databases of one server, and their dumps in Files. */
import {messageOf} from '../../core/errors.js';
import type {DatabaseView, ServerView} from '../../core/fleet.js';
import type {Console} from '../console.js';
import {databaseCursor, databaseRows, fleetCursor, fleetSorts} from '../fleet/rows.js';
import {clean} from '../glyphs.js';
import {shownServers} from '../layout/fleet-screen.js';
import {shownServer} from '../layout/server-screen.js';
import {span} from '../text.js';
import {refresh} from './files-view.js';
import {waitIn} from './waiting.js';

/** Opens the screen; reads the servers the first time. */
export function enterFleet(c: Console): void {
	if (c.fleet.place() === undefined)
		return c.say('no fleet is configured: set fleet_prefix, and upload or --fleet STORE');
	c.set({screen: 'fleet'});
	if (c.fleet.state() === 'idle') c.fleet.read();
}

export function sortFleet(c: Console): void {
	const {sort} = c.view().fleet;
	const next = fleetSorts[(fleetSorts.indexOf(sort) + 1) % fleetSorts.length] ?? 'state';
	c.setFleet({sort: next, reverse: false, top: 0});
	c.say(`sorted by ${next}`, 'quiet');
}

function selectedServer(c: Console): ServerView | undefined {
	const view = c.view();
	if (view.screen === 'server') return shownServer({fleet: c.fleet, view});
	const all = shownServers({fleet: c.fleet, view});
	return all[fleetCursor(all, view.fleet)];
}

function selectedDatabase(c: Console): DatabaseView | undefined {
	const {server: view} = c.view();
	const server = selectedServer(c);
	if (server === undefined) return undefined;
	const all = databaseRows(server, view);
	return all[databaseCursor(all, view)];
}

/** Handles Enter: opens the databases of a server, or the dumps of a database. */
export function openInFleet(c: Console): void {
	if (c.view().screen === 'server') return showFiles(c, selectedDatabase(c)?.database ?? '');
	const server = selectedServer(c);
	if (server === undefined) return;
	c.set({
		screen: 'server',
		fleet: {...c.view().fleet, selected: server.server},
		server: {server: server.server, top: 0, filter: ''},
	});
}

/** Handles `f`: opens all dumps of the server in Files. */
export function serverFiles(c: Console): void {
	showFiles(c, '');
}

/** Returns what `y` copies. */
export function selectedInFleet(c: Console): string | undefined {
	if (c.view().screen === 'fleet') return selectedServer(c)?.server;
	const database = selectedDatabase(c);
	return database?.where ?? database?.database;
}

/** Opens Files at the location of the server under the cursor, filtered by a database. */
function showFiles(c: Console, filter: string): void {
	const server = selectedServer(c)?.server;
	if (server === undefined) return;
	const looking = span(`looking for them${c.glyphs.cut}`, 'quiet');
	waitIn(
		c,
		{kind: 'info', title: `Dumps of ${clean(server, c.glyphs)}`, lines: [[looking]], top: 0},
		signal => c.handle.placeOf(server, {signal}),
		{
			done(location) {
				c.set({dialog: undefined, screen: 'files'});
				c.setFiles({location: c.files.visit(location), list: 'dumps', filter});
				refresh(c);
			},
			failed(error) {
				c.ask(undefined);
				c.fail(messageOf(error));
			},
		},
	);
}
