import assert from 'node:assert/strict';
import {mock, test} from 'node:test';
import fc from 'fast-check';
import {createKeyboard, escapeDelay, pasteTimeout, sequenceTimeout} from '../../source/ui/keyboard.js';
import {keysOfRun, type Typed} from '../../source/ui/typed-keys.js';

const esc = '\u001B';
const names = (typed: readonly Typed[]) => typed.map(one => (one.kind === 'key' ? one.name : `paste:${one.text}`));

/** What comes of chunks that arrive `gap` milliseconds apart, and after a long silence. */
function type(chunks: readonly (string | Buffer)[], gap = 0): readonly string[] {
	mock.timers.enable({apis: ['setTimeout']});
	try {
		const seen: Typed[] = [];
		const keyboard = createKeyboard(typed => seen.push(typed));
		for (const chunk of chunks) {
			keyboard.push(chunk);
			mock.timers.tick(gap);
		}
		mock.timers.tick(pasteTimeout + sequenceTimeout);
		return names(seen);
	} finally {
		mock.timers.reset();
	}
}

test('an unmarked paste keeps the Enter behind it, and only that of one line', () => {
	assert.deepEqual(keysOfRun('a pasted passphrase\r'), [{kind: 'paste', text: 'a pasted passphrase', enter: true}]);
	assert.deepEqual(keysOfRun('a pasted passphrase\r\n'), [{kind: 'paste', text: 'a pasted passphrase', enter: true}]);
	assert.deepEqual(keysOfRun('  a pasted passphrase '), [{kind: 'paste', text: '  a pasted passphrase '}]);
	assert.deepEqual(keysOfRun('two pasted\nlines of text\n'), [{kind: 'paste', text: 'two pasted\nlines of text'}]);
});

test('what is typed quickly, and keys that were held during a stall, are single keys', () => {
	assert.deepEqual(keysOfRun('\u0015a pasted passphrase'), [
		{kind: 'key', name: 'ctrl-u', text: ''},
		{kind: 'paste', text: 'a pasted passphrase'},
	]);
	assert.deepEqual(names(keysOfRun('abc\r')), ['a', 'b', 'c', 'enter']);
	assert.deepEqual(names(keysOfRun('j'.repeat(200))), Array<string>(200).fill('j'));
	assert.deepEqual(names(keysOfRun(`${'j'.repeat(20)}\r`)).slice(-2), ['j', 'enter']);
	assert.deepEqual(type([`${esc}[B`.repeat(30)]), Array<string>(30).fill('down'));
});

test('a marked paste is text, whatever is in it, and nothing of it is cut', () => {
	assert.deepEqual(type([`${esc}[200~orders\r${esc}[201~`]), ['paste:orders']);
	assert.deepEqual(type([`${esc}[200~ q ${esc}[201~x`]), ['paste: q ', 'x']);
	assert.deepEqual(type([`${esc}[200~D\u0003${esc}[A\n36\n${esc}[201~`]), [`paste:D\u0003${esc}[A\n36`]);
	assert.deepEqual(type([`${esc}[200~Übung 日本${esc}[201~`]), ['paste:Übung 日本']);
	for (const cut of [1, 3, 5, 6, 7, 9, 11, 12, 14, 16]) {
		const whole = `${esc}[200~secret ${esc}[201~`;
		assert.deepEqual(type([whole.slice(0, cut), whole.slice(cut)], 100), ['paste:secret '], String(cut));
	}
});

test('a paste without its end becomes text after a while, and keys are keys again', () => {
	assert.deepEqual(type([`${esc}[200~abc`, 'q'], pasteTimeout + 1), ['paste:abc', 'q']);
	assert.deepEqual(type([`${esc}[201~`, 'q']), ['q']);
});

test('a sequence that a slow line has cut is one key', () => {
	for (const sequence of [`${esc}[A`, `${esc}OA`, `${esc}[5~`, `${esc}[1;5A`]) {
		for (let cut = 1; cut < sequence.length; cut++) {
			const found = type([sequence.slice(0, cut), sequence.slice(cut)], 100);
			assert.deepEqual(found, type([sequence]), `${JSON.stringify(sequence)} cut at ${cut}`);
		}
	}
	// Even after the Esc has counted, its rest is no letter.
	assert.deepEqual(type([esc, '[D'], escapeDelay + 50), ['escape', 'left']);
});

test('Esc alone is a key after a pause, and Ctrl-C always is', () => {
	assert.deepEqual(type([esc]), ['escape']);
	assert.deepEqual(type([esc, 'D'], escapeDelay + 1), ['escape', 'D']);
	assert.deepEqual(type([`${esc}[`, '\u0003'], 10), ['ctrl-c']);
	assert.deepEqual(type([`${esc}]11;rgb:`, '\u0003'], 10), ['ctrl-c']);
});

test('answers of the terminal, mouse reports and Alt are no keys', () => {
	const dropped = [
		`${esc}[M !!`,
		Buffer.from([0x1b, 0x5b, 0x4d, 0x60, 0xc3, 0x28]),
		`${esc}[<64;10;10M`,
		`${esc}[64;10;10M`,
		`${esc}]11;rgb:1e1e/1e1e/1e1e${esc}\\`,
		`${esc}]11;rgb:1e1e/1e1e/1e1e\u0007`,
		`${esc}P>|XTerm(390)${esc}\\`,
		`${esc}_Gi=1;OK${esc}\\`,
		`${esc}[?62;22c`,
		`${esc}[I`,
		`${esc}[12;40R`,
		`${esc}D`,
		`${esc}é`,
	];
	for (const sequence of dropped) {
		assert.deepEqual(type([sequence]), [], JSON.stringify(sequence));
		assert.deepEqual(type([sequence, 'j']), ['j'], JSON.stringify(sequence));
		const bytes = Buffer.from(sequence);
		for (let cut = 1; cut < bytes.length; cut++)
			assert.deepEqual(
				type([bytes.subarray(0, cut), bytes.subarray(cut)], 100),
				[],
				`${JSON.stringify(sequence)} cut at ${cut}`,
			);
	}
});

test('keys as numbers, as an earlier program may have left them, are the same keys', () => {
	assert.deepEqual(type([`${esc}[99;5u`]), ['ctrl-c']);
	assert.deepEqual(type([`${esc}[27u`, `${esc}[13u`, `${esc}[27;5;99~`, `${esc}[106u`]), [
		'escape',
		'enter',
		'ctrl-c',
		'j',
	]);
});

test('no way of cutting changes what was typed', () => {
	const piece = fc.constantFrom(
		`${esc}[A`,
		`${esc}[M a!`,
		`${esc}]0;x\u0007`,
		'j',
		'é',
		`${esc}[200~p q\r${esc}[201~`,
		'\r',
		`${esc}OP`,
	);
	fc.assert(
		fc.property(fc.array(piece, {maxLength: 6}), fc.array(fc.nat(60), {maxLength: 5}), (pieces, cuts) => {
			const bytes = Buffer.from(pieces.join(''));
			const at = [...new Set([0, ...cuts.map(cut => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
			const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
			assert.deepEqual(type(chunks, 50), type([bytes]));
		}),
		{numRuns: 300},
	);
});
