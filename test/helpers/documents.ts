/** The code blocks of the documents: fenced ones with their language, and indented ones. */
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {root} from './tools.js';

export type Block = {
	/** Relative to the project, with the line at which the block begins: `docs/restore.md:53`. */
	readonly where: string;
	/** The language of a fence; empty for an indented block. */
	readonly language: string;
	/** Without the indentation, without a newline at the end. */
	readonly text: string;
};

/** Returns every code block of every document that git tracks or would add, in order. */
export function documentBlocks(): readonly Block[] {
	const args = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
	const files = execFileSync('git', args, {cwd: root, encoding: 'utf8'}).split('\n');
	return files
		.filter(file => file !== '' && existsSync(join(root, file)))
		.flatMap(file => blocksOf(readFileSync(join(root, file), 'utf8'), file));
}

/** Pure. */
export function blocksOf(text: string, file: string): readonly Block[] {
	const blocks: Block[] = [];
	const lines = text.split('\n');
	for (let at = 0; at < lines.length; at++) {
		const where = `${file}:${at + 1}`;
		const [, fence, language = ''] = /^\s*(```+)\s*(\S*)/.exec(lines[at] ?? '') ?? [];
		if (fence !== undefined) {
			const end = lines.findIndex((line, index) => index > at && line.trim().startsWith(fence));
			const last = end === -1 ? lines.length : end;
			blocks.push({where, language, text: dedented(lines.slice(at + 1, last))});
			at = last;
		} else if (isIndented(lines[at]) && (at === 0 || lines[at - 1]?.trim() === '')) {
			let last = at;
			while (isIndented(lines[last + 1])) last++;
			blocks.push({where, language: '', text: dedented(lines.slice(at, last + 1))});
			at = last;
		}
	}
	return blocks;
}

/** Four columns or a tab; deeper in a list. Rows of a table and items of a list are text. */
function isIndented(line: string | undefined): boolean {
	return /^(?: {4}|\t)\s*[^\s|*\-\d]|^(?: {4}|\t)\s*\d+[^.\d]/.test(line ?? '');
}

function dedented(lines: readonly string[]): string {
	const indents = lines.filter(line => line.trim() !== '').map(line => /^\s*/.exec(line)?.[0].length ?? 0);
	const least = Math.min(...indents);
	return lines.map(line => line.slice(least)).join('\n');
}
