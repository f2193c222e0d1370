/** States of runs and frames as the console draws them, without a terminal. */
import {createBus} from '../../../source/core/bus.js';
import type {RunEvent} from '../../../source/core/events.js';
import type {RunState} from '../../../source/core/run-state.js';
import type {Frame} from '../../../source/ui/console.js';
import {createFilesStore} from '../../../source/ui/files/store.js';
import {createFleetStore} from '../../../source/ui/fleet/store.js';
import {unicodeGlyphs} from '../../../source/ui/glyphs.js';
import {initialView} from '../../../source/ui/view.js';
import {createFakeEngine, fakeNow} from './fake-engine.js';

/** Returns the state after `events`. */
export function stateOf(events: readonly RunEvent[]): RunState {
	let time = 0;
	const bus = createBus(() => time);
	for (const event of events) {
		time = event.time;
		bus.emit(event);
	}
	return bus.state();
}

const noFiles = createFilesStore(createFakeEngine(), () => undefined);
const noFleet = createFleetStore(createFakeEngine(), () => undefined);

/** Returns a frame of `columns` and `rows` without files and servers, unless `patch` has some. */
export function frameOf(state: RunState, columns: number, rows: number, patch: Partial<Frame> = {}): Frame {
	const {files = noFiles} = patch;
	return {
		columns,
		rows,
		run: state,
		view: initialView,
		now: fakeNow,
		tick: 3,
		glyphs: unicodeGlyphs,
		home: {},
		files,
		fleet: noFleet,
		filesVersion: files.version(),
		info: {version: '3.0.0', readOnly: false, hangupLog: '/var/log/pg_back.log'},
		...patch,
	};
}
