/** Meters for the uploads of one job to several places, which are one stage of the job. */
import type {EventPayloads} from '../core/events.js';
import type {Meter} from './meter.js';

/** An event of the upload to one place, without its job. */
export type PlaceEvent = {
	[K in 'place.started' | 'place.finished']: {readonly type: K} & Omit<EventPayloads[K], 'job'>;
}['place.started' | 'place.finished'];

/**
 * Returns one meter for each place. `meter` starts the stage with the first of them and counts the mean of their bytes,
 * which reaches the size of the files when all places have them; the caller finishes it.
 */
export function placeMeters(
	meter: Meter,
	places: readonly string[],
	emit: (event: PlaceEvent) => void,
): readonly Meter[] {
	let sum = 0;
	let counted = 0;
	return places.map((place): Meter => {
		let running = false;
		let bytes = 0;
		return {
			start(stage) {
				meter.start(stage);
				if (running) return;
				running = true;
				emit({type: 'place.started', place});
			},
			count(stage, change) {
				bytes += change;
				sum += change;
				const mean = Math.floor(sum / places.length);
				meter.count(stage, mean - counted);
				counted = mean;
			},
			countSlots: change => meter.countSlots(change),
			watch: (stage, size) => meter.watch(stage, size),
			finish(_stage, outcome = 'done') {
				if (!running) return;
				running = false;
				emit({type: 'place.finished', place, outcome, bytes});
			},
		};
	});
}
