/** Implements the actions of the keymap. */
import type {Console} from '../console.js';
import type {Action} from '../keymap.js';
import {jobSorts} from '../layout/job-list.js';
import {mainScreens} from '../layout/tabs.js';
import {showRestoreMenu} from '../restore/menu.js';
import {compareRuns} from '../runs/compare.js';
import {findTable} from '../runs/find-table.js';
import {togglePin} from '../runs/pin.js';
import {mainScreenOf} from '../view.js';
import {startBackup} from './backup.js';
import {decrypt, download, verify} from './fetch.js';
import {enterFiles, mark, markAll, nextList, rearrange, refresh, showLocation} from './files-view.js';
import {currentFilter, setFilter, startFilter} from './filter.js';
import {enterFleet, serverFiles, sortFleet} from './fleet.js';
import {showInfo} from './info.js';
import {askCancel, copySelected, nextError, openSelected, retry} from './jobs.js';
import {interrupt, quit, suspend} from './leaving.js';
import {move} from './moving.js';
import {removeFiles} from './remove.js';

export const actions: Readonly<Record<Action, (c: Console) => void>> = {
	help: c => c.ask({kind: 'help', top: 0}),
	quit: c => (isMain(c) ? quit(c) : leaveDetail(c)),
	escape(c) {
		if (c.view().screen === 'server' && currentFilter(c) !== '') return setFilter(c, '');
		if (!isMain(c)) return leaveDetail(c);
		if (c.view().logs.full && c.view().screen === 'logs') return c.setLogs({full: false});
		if (c.view().screen === 'files' && c.files.state() === 'listing' && c.files.problem() !== undefined) c.files.stop();
		else if (currentFilter(c) !== '') setFilter(c, '');
		else if (c.view().screen === 'files') c.files.stop();
		else if (c.view().screen === 'fleet') c.fleet.stop();
	},
	nextScreen: c => switchScreen(c, 1),
	previousScreen: c => switchScreen(c, -1),
	showJobs: c => c.set({screen: 'jobs'}),
	showFiles: enterFiles,
	showLogs: c => c.set({screen: 'logs'}),
	showFleet: enterFleet,
	filter: startFilter,
	sort: nextSort,
	reverse: reverseSort,
	stream: c => c.stream(),
	redraw: c => c.redraw(),
	interrupt,
	suspend,
	up: c => move(c, 'up'),
	down: c => move(c, 'down'),
	pageUp: c => move(c, 'pageUp'),
	pageDown: c => move(c, 'pageDown'),
	halfUp: c => move(c, 'halfUp'),
	halfDown: c => move(c, 'halfDown'),
	first: c => move(c, 'first'),
	last: c => move(c, 'last'),
	open: openSelected,
	copy: copySelected,
	cancelJob: askCancel,
	retryJob: retry,
	nextError,
	backup: startBackup,
	toggleWrap: c => c.setLogs({wrap: !c.view().logs.wrap}),
	toggleTimes: c => c.setLogs({times: !c.view().logs.times}),
	toggleFull: c => c.setLogs({full: !c.view().logs.full}),
	mark,
	markAll,
	markNone: c => c.setFiles({marked: new Set()}),
	download,
	decrypt,
	verify,
	restore: showRestoreMenu,
	compareRuns,
	findTable,
	togglePin,
	remove: removeFiles,
	info: showInfo,
	nextList,
	previousLocation: c => showLocation(c, -1),
	nextLocation: c => showLocation(c, 1),
	refresh(c) {
		const screen = mainScreenOf(c.view().screen);
		if (screen === 'files') refresh(c);
		else if (screen === 'fleet') c.fleet.read();
		else c.reloadHome();
	},
	serverFiles,
};

function isMain(c: Console): boolean {
	const {screen} = c.view();
	return mainScreenOf(screen) === screen;
}

function leaveDetail(c: Console): void {
	c.set({screen: mainScreenOf(c.view().screen)});
}

function switchScreen(c: Console, step: 1 | -1): void {
	const screens = mainScreens(c.fleet);
	const at = screens.indexOf(mainScreenOf(c.view().screen));
	const next = screens[(Math.max(0, at) + step + screens.length) % screens.length] ?? 'jobs';
	if (next === 'files') enterFiles(c);
	else if (next === 'fleet') enterFleet(c);
	else c.set({screen: next});
}

const fileSorts = ['time', 'name', 'size'] as const;

function nextSort(c: Console): void {
	const {screen, jobs, files} = c.view();
	if (screen === 'fleet') return sortFleet(c);
	if (screen === 'jobs')
		return c.setJobs({sort: jobSorts[(jobSorts.indexOf(jobs.sort) + 1) % jobSorts.length], reverse: false, top: 0});
	if (screen !== 'files') return;
	c.setFiles({sort: fileSorts[(fileSorts.indexOf(files.sort) + 1) % fileSorts.length], reverse: false, top: 0});
	c.say(`sorted by ${c.view().files.sort}`, 'quiet');
	rearrange(c);
}

function reverseSort(c: Console): void {
	const {screen, jobs, files} = c.view();
	if (screen === 'jobs') c.setJobs({reverse: !jobs.reverse});
	if (screen === 'fleet') c.setFleet({reverse: !c.view().fleet.reverse, top: 0});
	if (screen !== 'files') return;
	c.setFiles({reverse: !files.reverse});
	rearrange(c);
}
