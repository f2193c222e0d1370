import type {Command} from '../core/events.js';
import type {Work} from '../runs/work-runner.js';

export type Asked = {
	readonly command: Command;
	readonly work: Work;
	/** It prints its result on stdout, so no console is shown. */
	readonly printsResult?: true;
};
