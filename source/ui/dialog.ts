/** The questions and panels over a screen. One at a time; Esc closes each without doing anything. */
import type {DumpContents} from '../core/restore-handle.js';
import type {TreeView} from './restore/tree.js';
import type {Wizard} from './restore/wizard-state.js';
import {isPrivateKey} from './secrets.js';
import type {Line} from './text.js';

/** For a dialog that shows work: aborted when the dialog is closed, or replaced. */
export type Waiting = AbortController;

export type Option = {
	/** The letter that selects it. */
	readonly key: string;
	readonly label: string;
	readonly danger?: boolean;
	readonly run: () => void;
};

/** A question with a few answers. */
export type ChoiceDialog = {
	readonly kind: 'choice';
	readonly title: string;
	readonly text: readonly string[];
	readonly options: readonly Option[];
	readonly cursor: number;
	/** The equivalent command line: `Y` copies it. */
	readonly command?: string;
};

export type Field = {
	readonly name: string;
	readonly label: string;
	/** `path`: Tab completes it. `key`: a private key, or the path of its file; the key is not shown. */
	readonly kind: 'text' | 'masked' | 'toggle' | 'path' | 'key';
	/** For a toggle: `yes` or `no`. */
	readonly value: string;
};

/** By name. */
export function valuesOf(fields: readonly Field[]): Readonly<Record<string, string>> {
	return Object.fromEntries(fields.map(field => [field.name, field.value]));
}

/** Returns true if Tab completes the value; in an empty field it moves to the next one. */
export function isCompleted({kind, value}: Field): boolean {
	return (kind === 'path' || kind === 'key') && value !== '' && !isPrivateKey(value);
}

/** A form. `submit` receives the values by field name, and may set `problem` instead of continuing. */
export type FormDialog = {
	readonly kind: 'form';
	readonly title: string;
	readonly text: readonly string[];
	readonly fields: readonly Field[];
	readonly cursor: number;
	readonly problem?: string | undefined;
	/** A remark that helps while typing. */
	readonly note?: string | undefined;
	/** Information for the decision, which may change with the fields. */
	readonly facts?: readonly string[];
	/** Returns the equivalent command line: F2 copies it. */
	readonly command?: (values: Readonly<Record<string, string>>) => string;
	readonly waiting?: Waiting;
	/** Called with all values when one has changed. */
	readonly onEdit?: (values: Readonly<Record<string, string>>) => void;
	readonly submit: (values: Readonly<Record<string, string>>) => void;
};

/** The plan of a backup: databases to choose from, and what will happen to them. */
export type PlanDialog = {
	readonly kind: 'plan';
	readonly databases: readonly {readonly name: string; readonly bytes: number; readonly format: string}[];
	readonly facts: readonly (readonly [label: string, value: string])[];
	readonly marked: ReadonlySet<string>;
	/** Among those that the filter shows. */
	readonly cursor: number;
	readonly filter: string;
	/** The filter is being typed. */
	readonly isFiltering: boolean;
	/** Something was chosen, or Enter was pressed once: the next Enter starts. */
	readonly isChosen: boolean;
	/** The equivalent command line: `Y` copies it. */
	readonly command: string;
	readonly waiting?: Waiting;
	readonly problem?: string | undefined;
	readonly note?: string | undefined;
};

/** A text to read. */
export type InfoDialog = {
	readonly kind: 'info';
	readonly title: string;
	readonly lines: readonly Line[];
	readonly top: number;
	readonly waiting?: Waiting;
	/** What `y` copies. */
	readonly copy?: string;
};

export type HelpDialog = {readonly kind: 'help'; readonly top: number};

/** The steps of a restore. */
export type RestoreDialog = {readonly kind: 'restore'; readonly wizard: Wizard; readonly waiting?: Waiting};

/** The contents of a dump, to browse. */
export type ContentsDialog = {readonly kind: 'contents'; readonly contents: DumpContents; readonly tree: TreeView};

export type WaitingDialog = FormDialog | PlanDialog | InfoDialog;

export type Dialog = ChoiceDialog | FormDialog | PlanDialog | InfoDialog | HelpDialog | RestoreDialog | ContentsDialog;
