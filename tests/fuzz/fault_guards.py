"""The guard behind each row of docs/faults.md, and a test of the row that fails without it.

`tests/test_fault_table.py` checks that every row has one, and with `--long` it removes each guard
in a copy of the package and runs the test.
"""

from typing import NamedTuple


class Guard(NamedTuple):
    """A change of the source that removes a guard.

    Args:
        row: how the row begins.
        file: below `src/smallpose`.
        old, new: the text that is replaced, which occurs once, and its replacement.
        test: that must fail then.
    """

    row: str
    file: str
    old: str
    new: str
    test: str


GUARDS = (
    Guard(
        "`kill -9` during a build",
        "dataset/export/__init__.py",
        "            shutil.rmtree(part, ignore_errors=True)  # left by an interrupted export",
        "            pass",
        "test_files_of_a_killed_export_are_removed_by_the_next",
    ),
    Guard(
        "disk full |",
        "system/files.py",
        "        if temporary is not None:\n            temporary.unlink(missing_ok=True)",
        "        pass",
        "test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else",
    ),
    Guard(
        "disk full while data is made",
        "synthetic/generate.py",
        "    except OSError as error:",
        "    except KeyError as error:",
        "test_synth_on_a_full_disk_names_what_to_do",
    ),
    Guard(
        "two builds into one folder",
        "system/lock.py",
        "            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "            pass",
        "test_a_second_build_is_refused_while_the_first_runs",
    ),
    Guard(
        "truncated image",
        "dataset/image_headers.py",
        "                if not _has_end_marker(file, image, image_format):",
        "                if False:",
        "test_a_truncated_image_is_never_used",
    ),
    Guard(
        "empty file, or an HTML page",
        "dataset/builder/source_images.py",
        "    if len(errors) <= max_share * num_images:",
        "    if True:",
        "test_a_file_that_is_no_image_is_named",
    ),
    Guard(
        "decompression bomb",
        "system/image_limits.py",
        "    if width * height > get_max_pixels():",
        "    if False:",
        "test_a_decompression_bomb_is_refused_by_its_header",
    ),
    Guard(
        "FITS, GD, EPS",
        "system/image_formats.py",
        "    if other:",
        "    if False:",
        "test_other_formats_are_refused_by_name_whatever_the_file_is_called",
    ),
    Guard(
        "EXIF orientation",
        "dataset/builder/turn_images.py",
        "        if shown:\n            _raise_shown_grid",
        "        if False:\n            _raise_shown_grid",
        "test_labels_on_the_shown_image_are_refused_with_the_remedy",
    ),
    Guard(
        "CMYK, 16 bits",
        "dataloading/images.py",
        '    if kind == "JPEG" and _count_channels(data) == 4:',
        "    if False:",
        "test_cmyk_palette_alpha_and_grey_become_rgb",
    ),
    Guard(
        "TIFF turned by its tag",
        "dataset/pillow_images.py",
        'turned by its orientation."""\n    if orientation == 1:',
        'turned by its orientation."""\n    if True:',
        "test_a_tiff_is_read_on_its_stored_grid_whatever_its_orientation",
    ),
    Guard(
        "a video where an image is due",
        "system/image_formats.py",
        "    if detect_container(start):",
        "    if False:",
        "test_a_video_where_an_image_is_due_is_called_a_video",
    ),
    Guard(
        "size in the annotation differs",
        "dataloading/images.py",
        "    if expected_wh != (width, height) and 0 not in expected_wh:",
        "    if False:",
        "test_an_image_of_another_size_than_annotated_is_named",
    ),
    Guard(
        "JSON: truncated",
        "system/json_decode.py",
        "    data = data.removeprefix(_BOM)\n    try:",
        "    try:",
        "test_a_byte_order_mark_is_accepted",
    ),
    Guard(
        "a file that is no annotation file",
        "system/json_decode.py",
        "    content = describe_text(path, data) or describe_content(data)",
        "    content = None",
        "test_check_says_what_a_file_is_that_is_no_annotation_file",
    ),
    Guard(
        "labelled keypoints at 0, 0",
        "io/pose_pairs.py",
        "    return np.asarray((x == y) & (x <= 0))",
        "    return np.zeros(x.shape, dtype=bool)",
        "test_labelled_points_at_a_placeholder_are_a_fault_with_its_remedy",
    ),
    Guard(
        "keypoints outside their image",
        "io/validation.py",
        "    is_outside &= ~is_placeholder",
        "    is_outside[:] = False",
        "test_keypoints_outside_the_image_are_named_and_most_of_a_person_is_a_fault",
    ),
    Guard(
        "people of an image merged",
        "io/merged_poses.py",
        "    candidates = people.is_counted & (people.num_labelled >= 2)",
        "    candidates = np.zeros(len(people), dtype=bool)",
        "test_a_pose_over_two_boxes_without_a_pose_gets_a_remark",
    ),
    Guard(
        "result boxes of negative size",
        "io/result_validation.py",
        "    if not is_negative.any():\n        return []",
        "    return []",
        "test_result_boxes_of_negative_size_are_a_fault",
    ),
    Guard(
        "a file name that leaves its root",
        "system/files.py",
        '    if ".." in name.split("/"):',
        "    if False:",
        "test_a_name_that_leads_out_is_refused",
    ),
    Guard(
        "a set from others",
        "dataset/image_folder.py",
        "        if not any(real.is_relative_to(os.path.realpath(root)) for root in self.roots):",
        "        if False:",
        "test_a_recorded_path_is_followed_only_into_allowed_folders",
    ),
    Guard(
        "a run from others whose options",
        "cli/train_allowances.py",
        '    if str(file) != stored.get("code") or run.resolve() in file.parents:',
        "    if False:",
        "test_code_that_a_run_names_is_not_run_unless_it_was_there_at_the_beginning",
    ),
    Guard(
        "a run from others whose options",
        "cli/train.py",
        '    options["trust"] = args.trust',
        "",
        "test_the_file_of_weights_is_trusted_by_the_user_alone",
    ),
    Guard(
        "a listed image is missing",
        "dataset/builder/source_images.py",
        '    if not has_file.all() and options.missing_images == "refuse":',
        "    if False:",
        "test_missing_images_are_refused_dropped_or_kept",
    ),
    Guard(
        "repeated ids",
        "io/duplicates.py",
        "        elif not is_equal(start, index):",
        "        elif False:",
        "test_repeats_that_differ_are_an_error_that_names_both",
    ),
    Guard(
        "51 values instead of 63",
        "io/coco_annotations_slow.py",
        "            if len(a.keypoints) not in (0, 3 * k):",
        "            if False:",
        "test_a_broken_record_is_named",
    ),
    Guard(
        "a box without area",
        "dataset/builder/read_sources.py",
        "    lost = ~_has_area(boxes) & people.is_counted",
        "    lost = np.zeros(len(people), dtype=bool)",
        "test_boxes_are_clipped_and_people_without_box_area_are_ignored",
    ),
    Guard(
        "results that are not finite",
        "io/coco_results_slow.py",
        "    if count > MAX_DETECTIONS_IN_IMAGE:",
        "    if False:",
        "test_too_many_detections_in_one_image_are_refused",
    ),
    Guard(
        "no detections",
        "io/coco_results_slow.py",
        "    if skeleton is None:\n        return make_predictions(truth.skeleton, [], [], [])",
        "",
        "test_an_empty_list_gives_an_empty_table",
    ),
    Guard(
        "weights that are finite",
        "methods/network_outputs.py",
        "    if not are_finite(outputs):",
        "    if False:",
        "test_outputs_that_are_not_finite_are_an_error",
    ),
    Guard(
        "video: truncated",
        "dataset/builder/video_frames.py",
        "        if len(read) < len(video_rows):",
        "        if False:",
        "test_missing_frames_of_a_video_are_counted",
    ),
    Guard(
        "video with damaged frames",
        "sources/video.py",
        "            if not frame.is_corrupt and (not is_tainted or is_later):",
        "            if True:",
        "test_damaged_frames_of_a_video_are_left_out_and_the_others_keep_their_numbers",
    ),
    Guard(
        "a damaged `.mat`",
        "system/child_process.py",
        "    if done.returncode or not done.stdout:",
        "    if False:",
        "test_a_crash_while_the_file_is_read_is_one_line",
    ),
    Guard(
        "`.mat` in version 7.3",
        "sources/matlab.py",
        '    if _HDF5 in data[:1024] or data.startswith(b"MATLAB 7.3"):',
        "    if False:",
        "test_an_hdf5_file_is_named_with_the_mend",
    ),
    Guard(
        "clock changes, home folder",
        "dataset/docs/licence_terms.py",
        "    except SmallposeError:\n        print_status(",
        "    except KeyError:\n        print_status(",
        "test_a_home_folder_that_cannot_be_written_is_reported",
    ),
    Guard(
        "one byte of a built set changes",
        "dataset/verify.py",
        '    if hash_file(path) != record["sha256"]:',
        "    if False:",
        "test_check_detects_one_changed_byte",
    ),
    Guard(
        "one byte of a built set changes",
        "dataset/verify.py",
        "    if not is_sound:",
        "    if False:",
        "test_check_names_a_changed_manifest",
    ),
    Guard(
        "an output that is an input",
        "cli/main.py",
        "    refuse_output_over_input(args)\n",
        "",
        "test_an_output_that_is_an_input_is_refused_and_stays",
    ),
    Guard(
        "a file of a set or of a run",
        "dataset/set_schema.py",
        "        msgspec.convert(content, schema)",
        "        pass",
        "test_a_damaged_index_is_refused_in_one_line",
    ),
    Guard(
        "damaged Parquet",
        "dataset/export/read_parquet.py",
        "    check_people(where, people, len(skeleton))",
        "    pass",
        "test_a_damaged_shard_is_refused_in_one_line",
    ),
    Guard(
        "`kill -9` during a training",
        "training/run_folder.py",
        "    return f\" ({format_count(num_incomplete, 'incomplete checkpoint')} ignored)\"",
        '    return ""',
        "test_kill_9_at_any_moment_loses_at_most_the_current_step",
    ),
    Guard(
        "SIGTERM, SIGINT, SIGHUP",
        "training/signals.py",
        "            os.kill(os.getpid(), number)",
        "            pass",
        "test_a_second_signal_ends_the_process_at_once",
    ),
    Guard(
        "disk full at a checkpoint",
        "training/checkpoint.py",
        "            if isinstance(error.__context__, OSError):",
        "            if False:",
        "test_a_disk_that_fills_within_a_checkpoint_is_reported",
    ),
    Guard(
        "two trainings in one folder",
        "training/run_folder.py",
        "                stack.enter_context(hold_lock(out / LOCK, WAIT_S))",
        "                pass",
        "test_two_runs_never_train_in_one_folder",
    ),
    Guard(
        "interrupted between the last step",
        "training/loop.py",
        "        if trainer.step and self._any_process(lacks_validation):",
        "        if False:",
        "test_a_validation_skipped_by_an_interruption_is_done_on_resume",
    ),
    Guard(
        "a loss that is not finite",
        "training/nonfinite_guard.py",
        "        torch._foreach_copy_(list(method.buffers()), self._saved_buffers)",
        "        pass",
        "test_infinite_activations_do_not_spoil_the_running_means",
    ),
    Guard(
        "a recipe value",
        "training/recipe_overrides.py",
        "    check_value(key, text, value, present)",
        "    pass",
        "test_a_value_with_which_no_run_can_train_is_named",
    ),
    Guard(
        "a worker process dies",
        "dataloading/worker_pool.py",
        "                if died_at == index or num_deaths > MAX_DEATHS:",
        "                if True:",
        "test_a_worker_that_dies_once_is_restarted_with_a_message",
    ),
    Guard(
        "an image is missing or truncated",
        "dataloading/images.py",
        "    if num_unreadable > max_unreadable * num_images:",
        "    if False:",
        "test_too_many_unreadable_images_stop_the_run",
    ),
    Guard(
        "a checkpoint that would run code",
        "training/run_folder.py",
        "        if stored.get(key) != value and key not in ignored:",
        "        if False:",
        "test_a_run_is_not_resumed_with_other_options",
    ),
    Guard(
        "a damaged checkpoint",
        "methods/checkpoints/safe_unpickle.py",
        "    except Exception as error:  # the reader of pickles raises anything on damaged bytes",
        "    except KeyError as error:",
        "test_damaged_pth_files_are_refused_in_one_line",
    ),
    Guard(
        "a prediction in shards is killed",
        "inference/large_jobs/shards.py",
        "        if shard not in reports and path.exists():",
        "        if False:",
        "test_finished_shards_are_kept_and_missing_ones_are_processed",
    ),
    Guard(
        "images that cannot be read, in shards",
        "dataloading/images.py",
        "    if num_unreadable <= max_unreadable * num_images:",
        "    if True:",
        "test_images_that_cannot_be_read_are_named_and_the_others_are_predicted",
    ),
    Guard(
        "jobs that share the shards",
        "inference/large_jobs/shards.py",
        "    others = _read_finished(folder, num_shards, reports)",
        "    others = []",
        "test_jobs_that_share_the_shards_at_the_same_time_write_a_result",
    ),
    Guard(
        "shards of other weights",
        "inference/large_jobs/shards.py",
        "        if stored.get(name) != value:",
        "        if False:",
        "test_shards_of_another_job_are_refused",
    ),
    Guard(
        "a crop cache",
        "dataloading/top_down/crop_cache.py",
        "        if stored.get(key) != value:",
        "        if False:",
        "test_the_cache_is_filled_once_and_refuses_other_people",
    ),
)

# Rows whose guard is how a reader works and not a line of it; other tests show that they fail.
WITHOUT = (
    "a file that changes while it is read",
    "a small file that asks for much",
    "a crowd: 20,000 people",
)
