// Package settings is what flags say of plans and of what is asked of them: which objects are a controller's own, how they are read,
// where its NGINX has its files, and which request is to be explained. The controller reads them from its command line, offline
// commands from theirs, and the kubectl plugin from the pods that it looks at; so all make the same plan of the same objects. It
// decides nothing else.
package settings
