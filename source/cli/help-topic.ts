/** Prints `--help` and `--help TOPIC`, in the width of the terminal. */
import {display} from '../lib/display.js';
import {logLine} from '../lib/log-line.js';
import {helpText, topicNames, topicText} from './help.js';
import type {Io} from './io.js';

/** Prints the parts that `topics` name. An unknown topic causes a warning, and the whole help is printed. */
export function helpFor({stdout, stderr}: Io, topics: readonly string[], target: NodeJS.WriteStream): void {
	const columns = stdout.isTTY ? stdout.columns : 80;
	const texts = topics.map(topic => topicText(topic, columns));
	const missing = topics.filter((_topic, index) => texts[index] === undefined);
	if (topics.length > 0 && missing.length === 0) target.write(texts.join('\n'));
	else target.write(helpText(columns));
	if (missing.length === 0) return;
	const names = missing.map(topic => display(topic)).join(', ');
	stderr.write(logLine(Date.now(), 'warn', `no help topic ${names}; topics are ${topicNames().join(', ')}`));
}
