import {readFileSync} from 'node:fs';

/** Returns whether we are the terminal's foreground job. True without job control, and if unknown. */
export function isForeground(): boolean {
	if (process.platform !== 'linux') return true;
	// pid (comm) state ppid pgrp session tty_nr tpgid …: comm may contain spaces and parentheses.
	const stat = readFileSync('/proc/self/stat', 'latin1');
	const [, , group, , , terminalGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return terminalGroup === '-1' || terminalGroup === '0' || group === terminalGroup;
}
