/** The questions and panels that lie over a screen. One at a time; Esc closes each without doing anything. */
import type {Line} from './text.js';

/** Of a dialog that shows work: aborted as soon as the dialog is closed, or asks something else. */
export type Waiting = AbortController;

export type Option = {
	/** The letter that chooses it. */
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
};

export type Field = {
	readonly name: string;
	readonly label: string;
	readonly kind: 'text' | 'masked' | 'toggle';
	/** A toggle's is `yes` or `no`. */
	readonly value: string;
};

/** Things to be typed. `submit` gets the values by field name, and may set `problem` instead of going on. */
export type FormDialog = {
	readonly kind: 'form';
	readonly title: string;
	readonly text: readonly string[];
	readonly fields: readonly Field[];
	readonly cursor: number;
	readonly problem?: string;
	readonly waiting?: Waiting;
	readonly submit: (values: Readonly<Record<string, string>>) => void;
};

/** The plan of a backup: databases to choose from, and what will happen to them. */
export type PlanDialog = {
	readonly kind: 'plan';
	readonly databases: readonly {readonly name: string; readonly bytes: number; readonly format: string}[];
	readonly facts: readonly (readonly [label: string, value: string])[];
	readonly marked: ReadonlySet<string>;
	readonly cursor: number;
	readonly waiting?: Waiting;
	readonly problem?: string;
};

/** A text to be read. */
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

export type WaitingDialog = FormDialog | PlanDialog | InfoDialog;

export type Dialog = ChoiceDialog | FormDialog | PlanDialog | InfoDialog | HelpDialog;
