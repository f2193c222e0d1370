/** What each action of the keymap does. */
import type {Console} from '../console.js';
import {screens} from '../view.js';
import type {Action} from '../keymap.js';
import {jobSorts} from '../layout/job-list.js';
import {startBackup} from './backup.js';
import {download, decrypt, restoreDrill, verify} from './fetch.js';
import {removeFiles} from './remove.js';
import {showInfo} from './info.js';
import {enterFiles, markAll, mark, refresh, rearrange, showLocation, toggleGroups} from './files-view.js';
import {currentFilter, setFilter, startFilter} from './filter.js';
import {askCancel, copySelected, nextError, openSelected, retry} from './jobs.js';
import {interrupt, quit, suspend} from './leaving.js';
import {move} from './moving.js';

export const actions: Readonly<Record<Action, (c: Console) => void>> = {
	help: c => c.ask({kind: 'help', top: 0}),
	quit: c => (c.view().screen === 'detail' ? c.set({screen: 'jobs'}) : quit(c)),
	escape(c) {
		if (c.view().screen === 'detail') return c.set({screen: 'jobs'});
		if (c.view().logs.full && c.view().screen === 'logs') return c.setLogs({full: false});
		if (currentFilter(c) !== '') setFilter(c, '');
	},
	nextScreen: c => switchScreen(c, 1),
	previousScreen: c => switchScreen(c, -1),
	showJobs: c => c.set({screen: 'jobs'}),
	showFiles: enterFiles,
	showLogs: c => c.set({screen: 'logs'}),
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
	restoreDrill,
	remove: removeFiles,
	info: showInfo,
	toggleGroups,
	previousLocation: c => showLocation(c, -1),
	nextLocation: c => showLocation(c, 1),
	refresh,
};

function switchScreen(c: Console, step: 1 | -1): void {
	const {screen} = c.view();
	const at = screens.findIndex(one => one === screen);
	const next = screens[(Math.max(0, at) + step + screens.length) % screens.length] ?? 'jobs';
	if (next === 'files') enterFiles(c);
	else c.set({screen: next});
}

const fileSorts = ['time', 'name', 'size'] as const;

function nextSort(c: Console): void {
	const {screen, jobs, files} = c.view();
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
	if (screen !== 'files') return;
	c.setFiles({reverse: !files.reverse});
	rearrange(c);
}
