/**
 * Scans a plain dump as psql does: the ends of statements, quoted text, and the rows of a COPY. psql runs every
 * backslash command outside of those. Text that versions of psql parse differently is rejected.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {TextSettings} from './client-encoding.js';
import {
	bytesOf,
	connectForm,
	copyForm,
	identifierLength,
	insideOf,
	isIdentifierByte,
	isIdentifierStart,
	type Mode,
	psqlVariables,
	restrictForm,
	settingForm,
	StatementDepth,
} from './psql-lexis.js';
import {
	dollarSign,
	type Ending,
	endOfBlockComment,
	endOfDollarQuote,
	endOfLineComment,
	endOfName,
	endOfString,
	nextRowsEnd,
	variableAt,
} from './psql-quotes.js';
import {type HeldStatement, ScannerOutput} from './scanner-output.js';
import type {ScannerRules} from './scanner-rules.js';

const {newline, carriageReturn, backslash, dot, dollar, quote, doubleQuote} = bytesOf;
/** Maximum bytes of a word or a statement, and of a command, which must be seen as a whole. */
const [longest, longestCommand] = [1 << 20, 1 << 13];
/** The buffer ends too early. */
const more = -1;

/** Accepts the text piece by piece; the returned text goes to psql. Throws CORRUPT with the line number. */
export class SqlScanner {
	readonly #rules: ScannerRules;
	readonly #output = new ScannerOutput();
	/** The text that is passed on, and the text that is parsed: the same, or masked in an encoding that needs it. */
	#raw: Buffer = Buffer.alloc(0);
	#bytes: Buffer = this.#raw;
	#at = 0;
	/** The start of the text in the buffer that is not passed on yet. */
	#from = 0;
	/** The byte before the buffer. */
	#last: number = newline;
	#line = 1;
	/** The next line break that is not counted yet; -1 when there is none. */
	#lineEnd = -1;
	#final = false;
	#mode: Mode = 'code';
	#openedAt = 1;
	#escapes = false;
	#commentDepth = 0;
	#tag: Buffer = Buffer.alloc(0);
	readonly #settings = new TextSettings();
	readonly #depth = new StatementDepth();
	/** Some of the current statement has been read. */
	#started = false;

	constructor(rules: ScannerRules) {
		this.#rules = rules;
	}

	push(chunk: Uint8Array): Buffer[] {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		this.#raw = this.#raw.length === 0 ? bytes : Buffer.concat([this.#raw, bytes]);
		this.#bytes = this.#settings.mask ? Buffer.concat([this.#bytes, this.#settings.mask.apply(bytes)]) : this.#raw;
		return this.#run();
	}

	/** Throws CORRUPT when the text ends inside a construct. */
	end(): Buffer[] {
		this.#final = true;
		const output = this.#run();
		this.#output.release();
		if (this.#mode !== 'code' && this.#mode !== 'line comment')
			throw this.#corrupt(`the dump is truncated within ${insideOf[this.#mode]}`, this.#openedAt);
		return [...output, ...this.#output.take()];
	}

	#run(): Buffer[] {
		this.#lineEnd = this.#raw.indexOf(newline);
		const nul = this.#raw.indexOf(0);
		if (nul !== -1) throw this.#corrupt('a NUL byte, which pg_dump never writes', this.#lineAt(nul));
		while (this.#at < this.#bytes.length) {
			const next = this.#step();
			if (next === more) break;
			this.#at = next;
		}
		if (this.#bytes.length - this.#at > longest + (1 << 17)) throw this.#refuse('a very long word');
		this.#flush();
		this.#lineAt(this.#at);
		this.#last = this.#before(this.#at);
		this.#raw = Buffer.from(this.#raw.subarray(this.#at));
		this.#bytes = this.#settings.mask ? Buffer.from(this.#bytes.subarray(this.#at)) : this.#raw;
		this.#at = this.#from = 0;
		return this.#output.take();
	}

	/** Returns the index after the parsed text, or `more`. */
	#step(): number {
		switch (this.#mode) {
			case 'code':
				return this.#code();
			case 'string':
				return this.#through(endOfString(this.#bytes, this.#at, this.#escapes, this.#final));
			case 'name':
				return this.#through(endOfName(this.#bytes, this.#at));
			case 'dollar':
				return this.#through(endOfDollarQuote(this.#bytes, this.#at, this.#tag, this.#final));
			case 'line comment':
				return this.#through(endOfLineComment(this.#bytes, this.#at));
			case 'block comment': {
				const ending = endOfBlockComment(this.#bytes, this.#at, this.#commentDepth, this.#final);
				this.#commentDepth = ending.depth;
				return this.#through(ending);
			}
			case 'rows':
				return this.#rows();
		}
	}

	#through({next, closed}: Ending): number {
		if (closed) this.#mode = 'code';
		return closed || next > this.#at ? next : more;
	}

	#code(): number {
		const bytes = this.#bytes;
		const at = this.#at;
		const byte = bytes[at] ?? 0;
		if (byte === 0x20 || byte === newline || byte === 0x09) return at + 1;
		if (byte === carriageReturn) return this.#endOfLine(at, 'a carriage return outside of a string');
		if (byte === backslash) return this.#command();
		if (byte === 0x2d || byte === 0x2f) {
			if (at + 1 >= bytes.length && !this.#final) return more;
			if (byte === 0x2d && bytes[at + 1] === 0x2d) return this.#open('line comment', at + 2);
			if (byte === 0x2f && bytes[at + 1] === 0x2a) {
				this.#commentDepth = 1;
				return this.#open('block comment', at + 2);
			}
		}
		if (byte === 0x3b) return this.#semicolon();
		return isIdentifierByte(byte) ? this.#word() : this.#sign(byte);
	}

	#sign(byte: number): number {
		const at = this.#at;
		this.#begin('');
		if (byte === quote) return this.#open('string', at + 1, !this.#settings.standardStrings);
		if (byte === doubleQuote) return this.#open('name', at + 1);
		if (byte === dollar) return this.#dollarSign();
		if (byte === 0x3a) return this.#colon();
		if (byte === 0x28) this.#depth.open();
		if (byte === 0x29) this.#depth.close();
		return at + 1;
	}

	#open(mode: Mode, next: number, escapes = false): number {
		this.#escapes = escapes;
		this.#openedAt = this.#lineAt(this.#at);
		this.#mode = mode;
		return next;
	}

	/** Parses a word, a number, or the letter before a string. */
	#word(): number {
		const bytes = this.#bytes;
		const at = this.#at;
		const end = at + identifierLength(bytes, at);
		if (end + 2 > bytes.length && !this.#final) return more;
		const word = bytes.toString('latin1', at, Math.min(end, at + 64)).toLowerCase();
		const next = bytes[end];
		if (!isIdentifierStart(bytes[at] ?? 0)) {
			if (bytes.subarray(at, end).includes(dollar) || (next === quote && !/^\d+$/.test(word)))
				throw this.#refuse('a number that runs into a string');
			this.#begin('');
			return end;
		}
		this.#begin(word);
		const unicode = word === 'u' && next === 0x26 ? bytes[end + 1] : undefined;
		const isPrefix = next === quote && /^[ebxn]$/.test(word);
		if (isPrefix || unicode === quote || unicode === doubleQuote) {
			if (this.#before(at) === dot) throw this.#refuse('a number that runs into a string');
			if (unicode === doubleQuote) return this.#open('name', end + 2);
			if (unicode === quote) return this.#open('string', end + 2);
			return this.#open('string', end + 1, word === 'e' || (word === 'n' && !this.#settings.standardStrings));
		}
		this.#depth.identifier(word);
		return end;
	}

	/** Handles the first token of a statement; a statement that must be seen as a whole is held back. */
	#begin(word: string): void {
		if (this.#started) return;
		this.#started = true;
		if (word !== 'copy' && word !== 'set' && !this.#asks(word)) return;
		this.#flush();
		this.#output.hold({word, line: this.#lineAt(this.#at)});
	}

	#asks(word: string): boolean {
		const {statement, words} = this.#rules;
		return statement !== undefined && (words?.has(word) ?? true);
	}

	#dollarSign(): number {
		const found = dollarSign(this.#bytes, this.#at, this.#final);
		if (found === undefined) return more;
		if (found.kind === 'other') throw this.#refuse('a dollar sign that begins no string');
		if (found.kind === 'parameter') return found.next;
		this.#tag = Buffer.from(this.#bytes.subarray(this.#at, found.next));
		return this.#open('dollar', found.next);
	}

	/** Handles `:NAME`, which psql replaces by a variable with any content. */
	#colon(): number {
		const word = variableAt(this.#bytes, this.#at, this.#final);
		if (word === undefined) return more;
		if (word === ':') return this.#at + 2;
		if (psqlVariables.has(word)) throw this.#refuse(`the psql variable :${word}`);
		return this.#at + 1;
	}

	#rows(): number {
		const bytes = this.#bytes;
		const at = this.#at;
		if (this.#before(at) === newline) {
			if (at + 4 > bytes.length && !this.#final) return more;
			const end = bytes[at + 2] === carriageReturn ? at + 3 : at + 2;
			if (bytes[at] === backslash && bytes[at + 1] === dot && (end >= bytes.length || bytes[end] === newline)) {
				this.#mode = 'code';
				return this.#pin(Math.min(end + 1, bytes.length));
			}
		}
		return nextRowsEnd(bytes, at, this.#final);
	}

	#semicolon(): number {
		const at = this.#at;
		if (!this.#depth.atTop) return at + 1;
		const {held} = this.#output;
		const next = held ? this.#heldStatement(held) : at + 1;
		if (next === more) return more;
		this.#depth.reset();
		this.#started = false;
		if (this.#mode !== 'rows') return this.#pin(next);
		this.#openedAt = this.#lineAt(at);
		return next;
	}

	#heldStatement({word, line}: HeldStatement): number {
		const at = this.#at;
		this.#flush();
		const text = this.#output.heldText();
		const isCopy = word === 'copy';
		const setting = word === 'set' ? settingForm.exec(text) : null;
		if (isCopy && !copyForm.test(text)) throw this.#refuse('a COPY of an unexpected form', line);
		const next = isCopy || setting ? this.#endOfLine(at + 1, 'something after a COPY or SET on its line') : at + 1;
		if (next === more) return more;
		const passed = this.#asks(word) ? this.#rules.statement?.(text, line) : text;
		if (passed === undefined && isCopy) throw this.#refuse('rows of a table', line);
		this.#output.release(passed === text ? undefined : (passed ?? ''));
		if (passed === undefined) this.#from = at + 1; // the semicolon is omitted too
		if (isCopy) this.#mode = 'rows';
		if (setting) this.#apply(setting[1] ?? '', setting[2] ?? '', next);
		return next;
	}

	#apply(setting: string, value: string, next: number): void {
		this.#settings.set(setting, value);
		const masked = this.#settings.mask?.apply(this.#raw.subarray(next));
		this.#bytes = masked ? Buffer.concat([this.#raw.subarray(0, next), masked]) : this.#raw;
	}

	/** Inserts the settings between two statements. */
	#pin(next: number): number {
		if (!this.#rules.pin) return next;
		this.#at = next;
		this.#flush();
		this.#output.add(Buffer.from(this.#settings.statements()));
		return next;
	}

	#command(): number {
		const at = this.#at;
		let end = this.#bytes.indexOf(newline, at);
		if (end === -1) {
			if (!this.#final && this.#bytes.length - at <= longestCommand) return more;
			end = this.#bytes.length;
		}
		const text = this.#raw.toString('latin1', at, end).replace(/\r$/, '');
		const known = restrictForm.test(text) || (this.#rules.dropConnect === true && connectForm.test(text));
		if (!known || this.#before(at) !== newline || this.#started)
			throw this.#refuse(`the psql command ${display(/^\\[^\s']*/.exec(text)?.[0].slice(0, 40) ?? '')}`);
		this.#flush();
		this.#from = end;
		return end;
	}

	/** Returns the index after the line break at `at`; anything else there is rejected. */
	#endOfLine(at: number, what: string): number {
		const end = this.#bytes[at] === carriageReturn ? at + 1 : at;
		if (end >= this.#bytes.length) return this.#final ? end : more;
		if (this.#bytes[end] === newline) return end + 1;
		throw this.#refuse(what);
	}

	#before(at: number): number {
		return this.#bytes[at - 1] ?? this.#last;
	}

	/** Passes on the parsed text, or adds it to the held statement. */
	#flush(): void {
		if (this.#at <= this.#from) return;
		this.#output.add(this.#raw.subarray(this.#from, this.#at));
		this.#from = this.#at;
		const {held} = this.#output;
		if (!held || this.#output.heldLength <= longest) return;
		if (held.word === 'copy' || (this.#asks(held.word) && !this.#rules.words))
			throw this.#refuse('a statement of more than 1 MiB', held.line);
		this.#output.release();
	}

	#lineAt(at: number): number {
		while (this.#lineEnd !== -1 && this.#lineEnd < at) {
			this.#line++;
			this.#lineEnd = this.#raw.indexOf(newline, this.#lineEnd + 1);
		}
		return this.#line;
	}

	#refuse(what: string, line = this.#lineAt(this.#at)): PgBackError {
		return this.#corrupt(`${what}, which pg_dump does not write`, line);
	}

	#corrupt(what: string, line = this.#lineAt(this.#at)): PgBackError {
		return new PgBackError('CORRUPT', `${display(this.#rules.what)}, line ${line}: ${what}`, {
			hint: 'inspect the dump around that line before you restore it: it could run commands on this machine',
		});
	}
}
