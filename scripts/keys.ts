/** Prints the README's list of keys from the keymap. */
import process from 'node:process';
import {keyGroups} from '../source/ui/keymap.js';

for (const {title, rows} of keyGroups()) {
	process.stdout.write(`\n**${title}**\n\n| key | what |\n|---|---|\n`);
	for (const {label, help} of rows) process.stdout.write(`| \`${label.replaceAll('|', '\\|')}\` | ${help} |\n`);
}
