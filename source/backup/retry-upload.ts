/** Repeats only the upload of a complete dump when its job is repeated. */
import type {JobControl, Task} from '../runs/scheduler.js';

/** By job id, the function that uploads the remaining files of a job with published files. */
export type UploadRetries = Map<string, (control: JobControl) => Promise<void>>;

export function retryUpload(task: Task, unshipped: UploadRetries): Task {
	const {id} = task.plan;
	return {
		plan: task.plan,
		resumesFrom: () => (unshipped.has(id) ? 'upload' : undefined),
		async run(control) {
			const ship = unshipped.get(id);
			if (!ship) return task.run(control);
			control.freeSlot();
			await ship(control);
		},
	};
}
