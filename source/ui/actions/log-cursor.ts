/** Finds and moves the log line under the cursor. */
import type {LogLine} from '../../core/run-state.js';
import type {Console} from '../console.js';
import {cursorLine, logHeight, logLines, logTop} from '../layout/logs-screen.js';
import {type ListMove, moveCursor} from '../layout/window.js';

export function selectedLine(c: Console): LogLine | undefined {
	const lines = logLines({run: c.handle.state(), view: c.view()});
	return lines[cursorLine(lines, c.view().logs.cursor)];
}

export function moveLogs(c: Console, step: ListMove): void {
	const run = c.handle.state();
	const lines = logLines({run, view: c.view()});
	const {columns, rows} = c.size();
	const next = moveCursor(
		cursorLine(lines, c.view().logs.cursor),
		step,
		logHeight(rows, c.view().logs.full),
		lines.length,
	);
	c.setLogs({cursor: next >= lines.length - 1 ? undefined : lines[next]?.index});
	c.setLogs({top: logTop({run, view: c.view(), columns, rows, glyphs: c.glyphs})});
}
