# muster-agent: the program of a device, with the verbs of src/cli/program_agent.c. In the main build it is made for this machine, so that no change breaks it unseen;
# with MUSTER_AGENT_ONLY it is all there is, one file without what lies unused in it and without names. docs/join.md
set(agent_files main.c program_agent.c arguments.c exit_code.c files.c help.c interrupt.c price_subject.c table.c text.c
  verb_help_agent.c verb_join.c verb_profile.c verb_version.c)
list(TRANSFORM agent_files PREPEND ${PROJECT_SOURCE_DIR}/src/cli/)
add_executable(muster_agent ${agent_files})
set_target_properties(muster_agent PROPERTIES OUTPUT_NAME muster-agent)
target_link_libraries(muster_agent PRIVATE muster_static muster_flags)
target_compile_definitions(muster_agent PRIVATE MUSTER_BUILD_TYPE="$<CONFIG>")
if(MUSTER_AGENT_ONLY)
  target_link_options(muster_agent PRIVATE -Wl,--gc-sections -s)
endif()
