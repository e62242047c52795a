// LabelOutlet puts the labels where they are wanted: on standard output, in a file for Node Feature
// Discovery, in its NodeFeature object, or on the node itself.
//
// An outlet is given the wanted labels and maintains them as long as it lives: it writes only where
// something differs, tries again with back-off (1 s to 5 min, with jitter) where it cannot, and
// restores what others change.
//
// Threading: the loop's thread. Only accesses to small files block it.
// Errors: an outlet reports by its StateChanged callback why the labels are not out yet.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "labels/labels.h"

namespace tranche::labels {

class LabelOutlet {
 public:
  // Called on the loop, never inside Publish, when that changes: OK, the labels last published are
  // out; else why not (yet).
  using StateChanged = std::function<void(const base::Status&)>;

  virtual ~LabelOutlet() = default;
  // These labels and no others of ours. Takes the place of what was published before.
  virtual void Publish(const Labels& labels) = 0;
  // Removes the labels that would otherwise go on describing a program that has ended.
  virtual void Withdraw() {}
};

// Hands each set of labels, as text, to `write`: once, where it differs from the one before.
std::unique_ptr<LabelOutlet> NewTextOutlet(base::EventLoop& loop,
                                           std::function<void(const std::string&)> write,
                                           LabelOutlet::StateChanged state_changed);

// Replaces the file atomically, by way of a hidden one, which Node Feature Discovery does not read.
// Withdrawn, it is removed.
std::unique_ptr<LabelOutlet> NewFileOutlet(base::EventLoop& loop, const std::string& path,
                                           LabelOutlet::StateChanged state_changed);

struct NodeFeatureOptions {
  std::string node;
  std::string namespace_name;
  std::string pod;  // owner of the object, with its DaemonSet; "": none
};
// NodeFeature "nvidia-features-for-<node>". The client outlives the outlet.
std::unique_ptr<LabelOutlet> NewNodeFeatureOutlet(base::EventLoop& loop, apiserver::ApiClient& api,
                                                  const NodeFeatureOptions& options,
                                                  LabelOutlet::StateChanged state_changed);

// The labels of the node itself, by server-side apply as `tranche-gfd`: the API server removes what
// that manager no longer names, and nothing else. Never makes a node. The client outlives the
// outlet.
std::unique_ptr<LabelOutlet> NewNodeLabelOutlet(base::EventLoop& loop, apiserver::ApiClient& api,
                                                const std::string& node,
                                                LabelOutlet::StateChanged state_changed);

}  // namespace tranche::labels
