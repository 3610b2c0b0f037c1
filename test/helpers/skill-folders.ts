/** What a folder shows by itself; test/live/scan-folders.test.ts makes such folders, which cannot be kept in a repository. */
export const folderRules = ["SBX406", "SBX408", "SBX409", "SBX706"];
